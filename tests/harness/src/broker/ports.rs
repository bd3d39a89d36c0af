use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;

/// The range of [`free_port`]. It is below the ports that Linux gives to outgoing connections
/// (32768 and above, `ip_local_port_range`): such a connection could take a port before its server
/// listens, or while that server restarts.
const PORTS: Range<u16> = 12_000..32_000;

/// The ports of a broker. Its "fast remoting" port is always two below the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BrokerPorts {
    pub(super) listen: u16,
    /// For replicas. The broker listens here on all interfaces, whatever `bindAddress` says.
    pub(super) ha: u16,
}

impl BrokerPorts {
    /// The given port and the two that belong to it, or free ports for 0.
    pub(super) fn choose(listen: u16) -> anyhow::Result<Self> {
        if listen != 0 {
            check_broker_port(listen)?;
            return Ok(Self { listen, ha: free_port()? });
        }
        let [_fast, ha, listen] = neighbours()?;
        Ok(Self { listen, ha })
    }
}

/// `port` if it is free, or a free port for 0.
pub(super) fn one(port: u16, option: &str) -> anyhow::Result<u16> {
    if port == 0 {
        return free_port();
    }
    check_free(Ipv4Addr::LOCALHOST, port, option)?;
    Ok(port)
}

/// Checks that `port` of `address` is available. Port 0 always is.
///
/// # Errors
/// When it is not, with the command of `cargo xtask up` that avoids it; `option` sets the port.
pub fn check_free(address: Ipv4Addr, port: u16, option: &str) -> anyhow::Result<()> {
    match TcpListener::bind((address, port)) {
        Ok(_) => Ok(()),
        Err(error) => Err(cannot_listen(address, port, option, &error)),
    }
}

/// Checks that a broker can listen on `port` and on the port two below it. 0 means free ports.
///
/// # Errors
/// The same as of [`check_free`], and when `port` is less than 3.
pub fn check_broker_port(port: u16) -> anyhow::Result<()> {
    if port == 0 {
        return Ok(());
    }
    anyhow::ensure!(
        port > 2,
        "--broker-port must be greater than 2, or 0 for a free one: the broker takes the port two \
         below as well"
    );
    check_free(Ipv4Addr::LOCALHOST, port, BROKER_OPTION)?;
    check_free(Ipv4Addr::LOCALHOST, port - 2, BROKER_OPTION)
        .with_context(|| format!("the broker on port {port} needs port {} as well", port - 2))
}

const BROKER_OPTION: &str = "--broker-port";

/// Why a port is not available, and the command of `cargo xtask up` that avoids it.
pub(crate) fn cannot_listen(
    address: Ipv4Addr,
    port: u16,
    option: &str,
    error: &std::io::Error,
) -> anyhow::Error {
    // Another port of the same kind: far enough away for the broker's second one.
    let other = port.checked_add(100).unwrap_or(10_000);
    let choose =
        format!("choose another with `cargo xtask up {option} {other}`, or 0 for a free one");
    match error.kind() {
        ErrorKind::AddrInUse => anyhow::anyhow!("port {port} is taken; {choose}"),
        ErrorKind::PermissionDenied => {
            anyhow::anyhow!("this user may not listen on port {port}; {choose}")
        }
        ErrorKind::AddrNotAvailable => anyhow::anyhow!(
            "this machine has no address {address}; name one that it has, as in \
             `cargo xtask up --address 127.0.0.1`"
        ),
        _ => anyhow::anyhow!("cannot listen on {address}:{port}: {error}; {choose}"),
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A free port of the loopback interface. Each call returns another one, so a server can stop and
/// start again on its port without a conflict.
///
/// # Errors
/// When no port is free.
pub fn free_port() -> anyhow::Result<u16> {
    let [port] = neighbours()?;
    Ok(port)
}

/// Consecutive ports, found as [`free_port`] finds one.
fn neighbours<const N: usize>() -> anyhow::Result<[u16; N]> {
    static NEXT: OnceLock<AtomicU32> = OnceLock::new();
    let count = u32::from(PORTS.end - PORTS.start);
    let width = u32::try_from(N)?;
    // A random start, so that processes look in different places.
    let next = NEXT.get_or_init(|| AtomicU32::new(fastrand::u32(..count)));
    for _ in 0..count {
        let offset = next.fetch_add(width, Ordering::Relaxed) % count;
        if offset + width > count {
            continue;
        }
        let first = PORTS.start + u16::try_from(offset)?;
        let mut ports = [first; N];
        ports.iter_mut().zip(first..).for_each(|(port, number)| *port = number);
        if ports.into_iter().all(is_free) {
            return Ok(ports);
        }
    }
    anyhow::bail!("no {N} ports from {} to {} are free", PORTS.start, PORTS.end - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::{Ipv4Addr, TcpListener};

    use super::{BrokerPorts, check_broker_port, check_free, free_port};

    fn taken() -> (TcpListener, u16) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    #[test]
    fn a_port_is_given_out_once() {
        let ports: BTreeSet<u16> = (0..200).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 200);
    }

    #[test]
    fn a_taken_port_is_named_with_a_command_that_avoids_it() {
        let (_listener, port) = taken();
        let error = check_free(Ipv4Addr::LOCALHOST, port, "--table-port").unwrap_err().to_string();
        assert!(error.contains(&format!("port {port} is taken")), "{error}");
        assert!(error.contains("`cargo xtask up --table-port "), "{error}");
        check_free(Ipv4Addr::LOCALHOST, 0, "--table-port").unwrap();
    }

    #[test]
    fn an_address_of_another_machine_is_not_reported_as_a_taken_port() {
        // TEST-NET-1 (RFC 5737), an address that no machine has.
        let error = check_free(Ipv4Addr::new(192, 0, 2, 1), 0, "--port").unwrap_err().to_string();
        assert!(error.contains("no address 192.0.2.1"), "{error}");
        assert!(error.contains("--address") && !error.contains("taken"), "{error}");
    }

    #[test]
    fn the_second_port_of_a_broker_is_checked_too() {
        let (_listener, port) = taken();
        let error = format!("{:#}", check_broker_port(port + 2).unwrap_err());
        assert!(error.contains(&format!("needs port {port} as well")), "{error}");
        assert!(error.contains("`cargo xtask up --broker-port "), "{error}");
        let error = check_broker_port(2).unwrap_err().to_string();
        assert!(error.contains("greater than 2"), "{error}");
        check_broker_port(0).unwrap();
    }

    #[test]
    fn the_ports_of_a_broker_are_not_given_out_again() {
        let mut taken = BTreeSet::new();
        for _ in 0..100 {
            let BrokerPorts { listen, ha } = BrokerPorts::choose(0).unwrap();
            let ports = [listen, listen - 2, ha, free_port().unwrap()];
            assert!(ports.into_iter().all(|port| taken.insert(port)), "{ports:?} of {taken:?}");
        }
    }
}
