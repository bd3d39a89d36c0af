use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use domain::account::{Account, EmailAddress};
use domain::timestamp::Timestamp;
use sha2::{Digest, Sha256};

use super::hexadecimal;
use crate::outcome::Failure;

/// Where a request came from, as API Gateway saw it.
///
/// For an IPv6 address, it is the network of 64 bits, in which a client can choose its address
/// freely (RFC 4291, section 2.5.4). A client with a wider network, often of 48 or 56 bits (RFC
/// 6177), is as many sources as it has networks of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(IpAddr);

impl Source {
    /// The source of an address; of IPv6, the network of 64 bits.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
            address @ IpAddr::V4(_) => Self(address),
        }
    }

    /// The source of requests without an address. All of them count as one source.
    pub const UNKNOWN: Self = Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The SHA-256 of an address, or of the text that was given instead of one. Text that is not an
/// account's address is stored only in this form: people type passwords into the wrong field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressDigest([u8; 32]);

impl AddressDigest {
    /// The digest of an address, the same for each of its spellings.
    pub fn of(email: &EmailAddress) -> Self {
        Self::of_text(email.key().as_str())
    }

    /// The digest of a text that is not an address.
    pub fn of_text(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }
}

impl fmt::Display for AddressDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal(&self.0, f)
    }
}

/// Stores the sources from which accounts were logged in to.
pub trait KnownSources: Send + Sync {
    /// Whether an account knows a source: a login from it is still remembered at `now`.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it couldn't be read.
    fn knows(
        &self,
        address: AddressDigest,
        source: Source,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// Remembers a source until `expires_at`.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it is not stored, or if that is unknown.
    fn remember(
        &self,
        address: AddressDigest,
        source: Source,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Forgets known sources, when the password or the address of an account changes.
pub trait KnownSourceRemoval: Send + Sync {
    /// Forgets every known source of an account, except `keep` if there is one.
    ///
    /// # Errors
    ///
    /// [`Failure`] if some of them may still be known; the call may be repeated.
    fn forget_all_except(
        &self,
        account: &Account,
        keep: Option<Source>,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_of_an_ipv6_address_is_its_network() {
        let source = |text: &str| Source::of(text.parse().unwrap()).to_string();
        assert_eq!(source("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(source("2001:db8:1:2:ffff::1"), "2001:db8:1:2::");
        assert_eq!(source("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(source("192.0.2.7"), "192.0.2.7");
    }
}
