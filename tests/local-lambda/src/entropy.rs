//! Random identifiers and jitter.

use std::time::Duration;

/// A UUID, like the request ids of Lambda and API Gateway.
pub(crate) fn request_id() -> String {
    uuid::Builder::from_random_bytes(random()).into_uuid().to_string()
}

/// An X-Ray trace header without sampling.
pub(crate) fn trace_header(now: Duration) -> String {
    let parent = u128::from_be_bytes(random()) >> 64;
    format!("{};Parent={parent:016x};Sampled=0", trace_root(now))
}

/// The part of the header that names the trace.
pub(crate) fn trace_root(now: Duration) -> String {
    let root = u128::from_be_bytes(random()) >> 32;
    format!("Root=1-{:08x}-{root:024x}", now.as_secs())
}

pub(crate) fn jitter(limit: Duration) -> Duration {
    let [first, second, ..] = random();
    limit.mul_f64(f64::from(u16::from_be_bytes([first, second])) / 65_536.0)
}

/// Zeros if the system has no entropy. Every supported system has it, and zeros only make names
/// equal.
fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::warn!(%error, "the system has no random bytes");
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{jitter, trace_header};

    #[test]
    fn a_trace_header_has_the_form_of_x_ray() {
        let header = trace_header(Duration::from_secs(0x5bef_4de7));
        assert_eq!(header.len(), "Root=1-5bef4de7-".len() + 24 + ";Parent=".len() + 16 + 10);
        assert!(header.starts_with("Root=1-5bef4de7-"), "{header}");
    }

    #[test]
    fn jitter_stays_below_its_limit() {
        let limit = Duration::from_secs(5);
        assert!((0..1000).all(|_| jitter(limit) < limit));
    }
}
