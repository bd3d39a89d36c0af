//! Ports that are free.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::entropy;

/// Where [`free_port`] looks: below the ports that Linux gives to outgoing connections (32768 and
/// above, `ip_local_port_range`), or one of those could take a port before its server listens, or
/// while that server restarts.
const PORTS: Range<u16> = 12_000..32_000;

/// The ports of a broker. Its "fast remoting" port is always two below the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BrokerPorts {
    pub(super) listen: u16,
    /// For replicas; it listens on all interfaces whatever `bindAddress` says.
    pub(super) ha: u16,
}

impl BrokerPorts {
    /// The given port and what belongs to it, or free ones for 0.
    pub(super) fn choose(listen: u16) -> anyhow::Result<Self> {
        if listen != 0 {
            anyhow::ensure!(listen > 2, "--broker-port must be greater than 2");
            for port in [listen, listen - 2] {
                check_free(port, "--broker-port")?;
            }
            return Ok(Self { listen, ha: free_port()? });
        }
        for _ in 0..100 {
            let (listen, ha) = (free_port()?, free_port()?);
            let ports = Self { listen, ha };
            if ha != listen && listen > 2 && ha != listen - 2 && ports.are_free() {
                return Ok(ports);
            }
        }
        anyhow::bail!("no free ports for the broker")
    }

    pub(super) fn are_free(self) -> bool {
        [self.listen, self.listen.saturating_sub(2), self.ha].into_iter().all(is_free)
    }
}

/// `port` when it is free, or a free one for 0.
pub(super) fn one(port: u16, option: &str) -> anyhow::Result<u16> {
    if port == 0 {
        return free_port();
    }
    check_free(port, option)?;
    Ok(port)
}

/// Fails when `port` of the loopback interface is taken, naming it and the `option` that sets it.
///
/// # Errors
/// When the port is taken. Port 0 never is.
pub fn check_free(port: u16, option: &str) -> anyhow::Result<()> {
    anyhow::ensure!(is_free(port), "port {port} is taken; choose another with {option}");
    Ok(())
}

pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A port of the loopback interface that nobody has now. Each is given out once in a process, so that
/// a server may stop and start again on its port without meeting another.
///
/// # Errors
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    static NEXT: OnceLock<AtomicU32> = OnceLock::new();
    let count = u32::from(PORTS.end - PORTS.start);
    // Another process starts elsewhere.
    let next = NEXT.get_or_init(|| AtomicU32::new(entropy::below(count)));
    for _ in 0..count {
        let offset = next.fetch_add(1, Ordering::Relaxed) % count;
        let port = PORTS.start + u16::try_from(offset)?;
        if is_free(port) {
            return Ok(port);
        }
    }
    anyhow::bail!("no port from {} to {} is free", PORTS.start, PORTS.end - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::{Ipv4Addr, TcpListener};

    use super::{BrokerPorts, check_free, free_port};

    #[test]
    fn a_port_is_given_out_once() {
        let ports: BTreeSet<u16> = (0..200).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 200);
    }

    #[test]
    fn a_taken_port_is_named_with_its_option() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = check_free(port, "--port").unwrap_err().to_string();
        assert!(error.contains(&port.to_string()) && error.contains("--port"), "{error}");
    }

    #[test]
    fn a_brokers_ports_do_not_meet() {
        let ports = BrokerPorts::choose(0).unwrap();
        assert!(ports.ha != ports.listen && ports.ha != ports.listen - 2);
    }
}
