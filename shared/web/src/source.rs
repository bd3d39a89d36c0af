//! The network that a request came from, by which guesses are counted.
//!
//! Without a CDN it is the address from which API Gateway received the request. Headers such as
//! `X-Forwarded-For` and `Forwarded` are ignored, because clients write them themselves.
//!
//! Behind a CDN that address is one of the CDN's, so that all clients would count as one. Then the
//! CDN states the client's address in a header, and adds a secret to each request. Without the
//! secret, the request did not pass the CDN, and its headers are the client's own: it is refused.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use application::ports::Source;
use http::{HeaderMap, HeaderName};
use lambda_http::request::RequestContext as GatewayContext;
use lambda_http::{Request, RequestExt};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::Problem;

/// # Errors
///
/// Behind a CDN, a 403 for a request without its secret, and a 500 if the CDN does not state one
/// readable address. The address that API Gateway saw is not used then: it would make all clients
/// of a CDN with a wrong configuration one source, and nobody would notice.
pub fn source(request: &Request, cdn: Option<&Cdn>) -> Result<Source, Problem> {
    let Some(cdn) = cdn else { return Ok(seen_by_gateway(request)) };
    if !cdn.passed(request.headers()) {
        let detail = "Send the request to the public address of this service.";
        return Err(Problem::forbidden(detail).caused_by("the CDN's secret is missing or wrong"));
    }
    cdn.client(request.headers()).map(Source::of).ok_or_else(|| {
        let header = &cdn.address_header;
        Problem::internal(format!("the CDN states no readable address in the header {header}"))
    })
}

fn seen_by_gateway(request: &Request) -> Source {
    let address = match request.request_context_ref() {
        Some(GatewayContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
        _ => None,
    };
    address.and_then(|text| text.parse().ok()).map_or(Source::UNKNOWN, Source::of)
}

/// The parts that a CDN adds to each request.
#[derive(Clone)]
pub struct Cdn {
    address_header: HeaderName,
    secret_header: HeaderName,
    /// The digests of the secrets that prove that a request passed the CDN: one, or two while it is
    /// replaced.
    secrets: Vec<[u8; 32]>,
}

/// Why a setting of a CDN is refused. The error does not contain the value, which may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCdn {
    /// The setting is not the name of a header.
    #[error("must be the name of a header")]
    Name,
    /// Clients write this header, and others add to it.
    #[error(
        "must not be X-Forwarded-For or Forwarded, which clients write too; name a header that the \
         CDN replaces, such as CloudFront-Viewer-Address or True-Client-IP"
    )]
    WrittenByClients,
    /// The address and the secret need two headers.
    #[error("must be another header than CDN_ADDRESS_HEADER")]
    SameHeader,
    /// The secret could be guessed or can't be sent in a header.
    #[error(
        "must be a secret of {} to {} visible ASCII characters without a comma, or two of them \
         separated by a comma",
        Cdn::SECRET_LENGTH_MIN,
        Cdn::SECRET_LENGTH_MAX
    )]
    Secret,
}

impl Cdn {
    /// The settings, all or none, in the order in which [`Self::read`] takes their values.
    pub const SETTINGS: [&'static str; 3] =
        ["CDN_ADDRESS_HEADER", "CDN_SECRET_HEADER", "CDN_SECRET"];

    /// The shortest secret: 32 hexadecimal digits have 128 bits.
    pub const SECRET_LENGTH_MIN: usize = 32;

    /// The longest secret, in bytes.
    pub const SECRET_LENGTH_MAX: usize = 256;

    /// Reads the values of [`Self::SETTINGS`].
    ///
    /// # Errors
    ///
    /// The fault of each setting that has one.
    pub fn read(values: [&str; 3]) -> Result<Self, [Option<InvalidCdn>; 3]> {
        let [address, secret, secrets] = values;
        let address = address_header(address);
        let secret = match header(secret) {
            Ok(name) if Ok(&name) == address.as_ref() => Err(InvalidCdn::SameHeader),
            name => name,
        };
        match (address, secret, digests(secrets)) {
            (Ok(address_header), Ok(secret_header), Ok(secrets)) => {
                Ok(Self { address_header, secret_header, secrets })
            }
            (address, secret, secrets) => Err([address.err(), secret.err(), secrets.err()]),
        }
    }

    /// Whether the request has the secret. Neither the time nor the answer shows how much of it is
    /// right.
    fn passed(&self, headers: &HeaderMap) -> bool {
        let Some(given) = only(headers, &self.secret_header) else { return false };
        let given = digest(given);
        let equal = |secret: &[u8; 32]| given.ct_eq(secret);
        self.secrets.iter().map(equal).fold(Choice::from(0), |any, one| any | one).into()
    }

    fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let text = std::str::from_utf8(only(headers, &self.address_header)?).ok()?.trim();
        if self.address_header == CLOUDFRONT_VIEWER_ADDRESS {
            address_with_port(text)
        } else {
            text.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
        }
    }
}

/// Hides the digests: whoever has one can try secrets against it.
impl fmt::Debug for Cdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cdn")
            .field("address_header", &self.address_header)
            .field("secret_header", &self.secret_header)
            .finish_non_exhaustive()
    }
}

/// The address and the port of the client, divided by a colon, also for IPv6 and without brackets
/// (<https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/adding-cloudfront-headers.html>).
const CLOUDFRONT_VIEWER_ADDRESS: HeaderName = HeaderName::from_static("cloudfront-viewer-address");

/// `192.0.2.7:4711` and `2001:db8::7:4711`. The second can also be read as an address without a
/// port, which this header never holds.
fn address_with_port(text: &str) -> Option<IpAddr> {
    let (address, port) = text.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let unbracketed = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    unbracketed.unwrap_or(address).parse().ok()
}

/// The value of a header that a request has once. API Gateway joins the values of a repeated header
/// with a comma (payload format 2.0), which makes them neither a secret nor an address.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    Some(value.as_bytes())
}

fn header(text: &str) -> Result<HeaderName, InvalidCdn> {
    text.parse().map_err(|_| InvalidCdn::Name)
}

fn address_header(text: &str) -> Result<HeaderName, InvalidCdn> {
    match header(text)? {
        name if matches!(name.as_str(), "x-forwarded-for" | "forwarded") => {
            Err(InvalidCdn::WrittenByClients)
        }
        name => Ok(name),
    }
}

fn digests(text: &str) -> Result<Vec<[u8; 32]>, InvalidCdn> {
    let secrets: Vec<_> = text.split(',').map(str::trim).collect();
    let lengths = Cdn::SECRET_LENGTH_MIN..=Cdn::SECRET_LENGTH_MAX;
    let good = |secret: &&str| {
        lengths.contains(&secret.len()) && secret.bytes().all(|b| b.is_ascii_graphic())
    };
    if secrets.len() > 2 || !secrets.iter().all(good) {
        return Err(InvalidCdn::Secret);
    }
    Ok(secrets.into_iter().map(|secret| digest(secret.as_bytes())).collect())
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use lambda_http::Body;

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const NEXT: &str = "fedcba9876543210fedcba9876543210";

    fn cdn(address_header: &str) -> Cdn {
        Cdn::read([address_header, "X-Origin-Verify", SECRET]).unwrap()
    }

    fn request(headers: &[(&str, &str)]) -> Request {
        let event = serde_json::json!({
            "version": "2.0",
            "routeKey": "POST /v1/users",
            "rawPath": "/v1/users",
            "rawQueryString": "",
            "headers": {},
            "requestContext": {
                "routeKey": "POST /v1/users",
                "stage": "$default",
                "timeEpoch": 0,
                "http": {"method": "POST", "path": "/v1/users", "sourceIp": "198.51.100.9"},
            },
            "isBase64Encoded": false,
        });
        let mut request = lambda_http::request::from_str(&event.to_string()).unwrap();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        request
    }

    fn found(cdn: &Cdn, headers: &[(&str, &str)]) -> Result<String, u16> {
        source(&request(headers), Some(cdn))
            .map(|source| source.to_string())
            .map_err(|problem| problem.kind().status().as_u16())
    }

    #[test]
    fn without_a_cdn_only_the_gateway_says_where_a_request_is_from() {
        let spoofed = request(&[
            ("x-forwarded-for", "203.0.113.1"),
            ("forwarded", "for=203.0.113.1"),
            ("cloudfront-viewer-address", "203.0.113.1:80"),
            ("x-origin-verify", SECRET),
        ]);
        assert_eq!(source(&spoofed, None).unwrap().to_string(), "198.51.100.9");
        let unknown = source(&Request::new(Body::Empty), None).unwrap();
        assert_eq!(unknown, Source::UNKNOWN);
    }

    #[test]
    fn cloudfronts_address_has_a_port_and_ipv6_has_no_brackets() {
        let cdn = cdn("CloudFront-Viewer-Address");
        for (text, network) in [
            ("203.0.113.7:4711", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6:4711", "2001:db8:1:2::"),
            ("2001:db8:1:2::6:4711", "2001:db8:1:2::"),
            ("2001:db8:1:2:::4711", "2001:db8:1:2::"),
            ("::ffff:203.0.113.7:4711", "203.0.113.7"),
            ("[2001:db8:1:2::6]:4711", "2001:db8:1:2::"),
            (" 203.0.113.7:4711 ", "203.0.113.7"),
        ] {
            let headers = [("x-origin-verify", SECRET), ("cloudfront-viewer-address", text)];
            assert_eq!(found(&cdn, &headers), Ok(network.to_owned()), "{text}");
        }
    }

    #[test]
    fn other_headers_hold_an_address_with_or_without_a_port() {
        let cdn = cdn("True-Client-IP");
        for (text, network) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:4711", "203.0.113.7"),
            ("2001:db8:1:2::4711", "2001:db8:1:2::"),
            ("[2001:db8:1:2::6]:4711", "2001:db8:1:2::"),
        ] {
            let headers = [("x-origin-verify", SECRET), ("true-client-ip", text)];
            assert_eq!(found(&cdn, &headers), Ok(network.to_owned()), "{text}");
        }
    }

    #[test]
    fn an_address_without_the_secret_has_no_effect() {
        let cdn = cdn("True-Client-IP");
        let address = ("true-client-ip", "203.0.113.7");
        let joined = format!("{SECRET},{SECRET}");
        assert_eq!(found(&cdn, &[address]), Err(403));
        let cut = &SECRET[..31];
        let longer = format!("{SECRET}0");
        for wrong in ["", "wrong", NEXT, cut, &longer, &joined, &SECRET.to_uppercase()] {
            assert_eq!(found(&cdn, &[address, ("x-origin-verify", wrong)]), Err(403), "{wrong}");
        }
        let right = ("x-origin-verify", SECRET);
        assert_eq!(found(&cdn, &[address, right, right]), Err(403));
        assert_eq!(found(&cdn, &[address, right]), Ok("203.0.113.7".to_owned()));
    }

    #[test]
    fn a_cdn_that_states_no_address_is_a_fault_of_ours() {
        for name in ["CloudFront-Viewer-Address", "True-Client-IP"] {
            let cdn = cdn(name);
            let right = ("x-origin-verify", SECRET);
            assert_eq!(found(&cdn, &[right]), Err(500));
            let joined = "203.0.113.7:1,203.0.113.8:1";
            for text in ["", "unknown", "203.0.113", "203.0.113.7:", "fe80::1%eth0", joined] {
                assert_eq!(found(&cdn, &[right, (name, text)]), Err(500), "{text}");
            }
            let twice = (name, "203.0.113.7:1");
            assert_eq!(found(&cdn, &[right, twice, twice]), Err(500));
        }
        let cdn = cdn("CloudFront-Viewer-Address");
        for text in ["203.0.113.7", "203.0.113.7:65536", "2001:db8:1:2:3:4:5:6"] {
            let headers = [("x-origin-verify", SECRET), ("cloudfront-viewer-address", text)];
            assert_eq!(found(&cdn, &headers), Err(500), "{text}");
        }
    }

    #[test]
    fn two_secrets_are_right_while_one_is_replaced() {
        let both = format!("{NEXT}, {SECRET}");
        let cdn = Cdn::read(["true-client-ip", "x-origin-verify", &both]).unwrap();
        for secret in [SECRET, NEXT] {
            let headers = [("true-client-ip", "203.0.113.7"), ("x-origin-verify", secret)];
            assert_eq!(found(&cdn, &headers), Ok("203.0.113.7".to_owned()));
        }
    }

    #[test]
    fn every_wrong_setting_is_reported_and_no_value_is_shown() {
        let faults = |values| Cdn::read(values).unwrap_err();
        let all = faults(["not a name", "neither\u{1}", "short"]);
        assert_eq!(all, [Some(InvalidCdn::Name), Some(InvalidCdn::Name), Some(InvalidCdn::Secret)]);
        for name in ["X-Forwarded-For", "forwarded"] {
            let [fault, ..] = faults([name, "x-origin-verify", SECRET]);
            assert_eq!(fault, Some(InvalidCdn::WrittenByClients));
        }
        let [_, same, _] = faults(["True-Client-IP", "true-client-ip", SECRET]);
        assert_eq!(same, Some(InvalidCdn::SameHeader));
        let three = [SECRET, NEXT, SECRET].join(",");
        let spaced = format!("{SECRET} {SECRET}");
        let empty = format!("{SECRET},");
        for wrong in [&SECRET[..31], "", ",", &three, &spaced, &empty, &"x".repeat(257)] {
            let [.., fault] = faults(["true-client-ip", "x-origin-verify", wrong]);
            assert_eq!(fault, Some(InvalidCdn::Secret), "{wrong}");
        }
        let shown = format!("{:?}", cdn("True-Client-IP"));
        assert!(!shown.contains(SECRET) && !shown.contains("secrets"), "{shown}");
    }
}
