//! Decompresses the bodies of messages, within a limit.
//!
//! The client's own decompression has no limit, and drops every message after one that it cannot
//! decompress (`message_decoder.rs` of rocketmq-protocol 1.0.0), so it is switched off.

use std::io::{self, Read};

use application::ports::{BODY_BYTES_MAX, UnreadableBody};
use flate2::read::ZlibDecoder;
use rocketmq_model::common::compression::compression_type::CompressionType;
use rocketmq_model::common::sys_flag::message_sys_flag::MessageSysFlag;

/// The first bytes of an LZ4 frame, which Java's client writes (`LZ4_Frame_format.md` of lz4).
/// Rust's client writes a block with its length before it.
const LZ4_FRAME: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// How much memory the decompression of a body may take, as a power of two: what zstd's levels up
/// to 19 need.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Decompresses a body, if its flags say that it is compressed; otherwise `None`.
pub(crate) fn inflated(flags: i32, body: &[u8]) -> Result<Option<Vec<u8>>, UnreadableBody> {
    if flags & MessageSysFlag::COMPRESSED_FLAG == 0 {
        return Ok(None);
    }
    let kind = MessageSysFlag::try_get_compression_type(flags)
        .map_err(|_| UnreadableBody(format!("its flags {flags:#x} name no known compression")))?;
    let inflated = match kind {
        CompressionType::Zlib => at_most(ZlibDecoder::new(body)),
        CompressionType::LZ4 if body.starts_with(&LZ4_FRAME) => {
            at_most(lz4_flex::frame::FrameDecoder::new(body))
        }
        CompressionType::LZ4 => lz4_block(body),
        CompressionType::Zstd => zstd::Decoder::new(body).and_then(|mut decoder| {
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            at_most(decoder)
        }),
    };
    inflated.map(Some).map_err(|error| UnreadableBody(format!("{kind:?}: {error}")))
}

/// Everything that a decoder returns, if it is at most [`BODY_BYTES_MAX`] long.
fn at_most(decoder: impl Read) -> io::Result<Vec<u8>> {
    let mut inflated = Vec::new();
    let limit = u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX);
    decoder.take(limit.saturating_add(1)).read_to_end(&mut inflated)?;
    if inflated.len() > BODY_BYTES_MAX { Err(too_long()) } else { Ok(inflated) }
}

fn lz4_block(body: &[u8]) -> io::Result<Vec<u8>> {
    let (length, block) = lz4_flex::block::uncompressed_size(body).map_err(io::Error::other)?;
    if length > BODY_BYTES_MAX {
        return Err(too_long());
    }
    lz4_flex::block::decompress(block, length).map_err(io::Error::other)
}

fn too_long() -> io::Error {
    io::Error::other(format!("it has more than {BODY_BYTES_MAX} bytes"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    const ZLIB: i32 = MessageSysFlag::COMPRESSED_FLAG | MessageSysFlag::COMPRESSION_ZLIB_TYPE;
    const ZSTD: i32 = MessageSysFlag::COMPRESSED_FLAG | MessageSysFlag::COMPRESSION_ZSTD_TYPE;
    const LZ4: i32 = MessageSysFlag::COMPRESSED_FLAG | MessageSysFlag::COMPRESSION_LZ4_TYPE;

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn lz4_frame(text: &[u8]) -> Vec<u8> {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// A text in each form in which a producer may compress it.
    fn compressed(text: &[u8]) -> [(i32, Vec<u8>); 5] {
        [
            (ZLIB, zlib(text)),
            // As older clients compress: the flags name no type.
            (MessageSysFlag::COMPRESSED_FLAG, zlib(text)),
            (ZSTD, zstd::encode_all(text, 5).unwrap()),
            (LZ4, lz4_frame(text)),
            (LZ4, lz4_flex::block::compress_prepend_size(text)),
        ]
    }

    #[test]
    fn a_body_that_is_not_compressed_is_unchanged() {
        assert_eq!(inflated(0, b"{}"), Ok(None));
        // The flags of a committed transaction and of IPv6 addresses.
        assert_eq!(inflated(0x8 | 0x10 | 0x20, b"{}"), Ok(None));
    }

    #[test]
    fn a_body_of_the_longest_length_is_read_and_a_longer_one_is_not() {
        for (flags, body) in compressed(&vec![b' '; BODY_BYTES_MAX]) {
            assert_eq!(inflated(flags, &body).unwrap().unwrap().len(), BODY_BYTES_MAX);
        }
        for longer in [BODY_BYTES_MAX + 1, 300 * BODY_BYTES_MAX] {
            for (flags, body) in compressed(&vec![b' '; longer]) {
                let refused = inflated(flags, &body).unwrap_err().to_string();
                assert!(refused.contains("more than 65536 bytes"), "{flags:#x}: {refused}");
            }
        }
    }

    /// What `CompressorFactory` of RocketMQ 5.4.0 makes of a text, at the level of its producers.
    #[test]
    fn the_bodies_of_javas_client_are_read() {
        const TEXT: &str = r#"{"specversion":"1.0","text":"compressed by RocketMQ's Java client, compressed by RocketMQ's Java client"}"#;
        let lz4 = "04224d186070734e000000ff347b227370656376657273696f6e223a22312e30222c2274657874\
                   223a22636f6d7072657373656420627920526f636b65744d512773204a61766120636c69656e742c\
                   2026000e50656e74227d00000000";
        let zstd = "28b52ffd00586c020054047b227370656376657273696f6e223a22312e30222c2274657874223a\
                    22636f6d7072657373656420627920526f636b65744d512773204a61766120636c69656e742c20\
                    227d0100c344aa28010000";
        let zlib = "785eab562a2e484d2e4b2d2acecccf53b25232d43350d2512a49ad28017292f3730b8a528b8b53\
                    5314922a1582f293b3534b7c03d58b15bc12cb121592733253f34a74148851a5540b006ed0245c";
        for (flags, digits) in [(LZ4, lz4), (ZSTD, zstd), (ZLIB, zlib)] {
            let digit = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
            let body: Vec<u8> = (0..digits.len()).step_by(2).map(digit).collect();
            assert_eq!(inflated(flags, &body).unwrap().unwrap(), TEXT.as_bytes(), "{flags:#x}");
        }
    }

    #[test]
    fn an_unknown_compression_is_named() {
        let unknown = MessageSysFlag::COMPRESSED_FLAG | 0x7 << 8;
        let refused = inflated(unknown, b"{}").unwrap_err();
        assert!(refused.to_string().contains("0x701"), "{refused}");
    }

    proptest! {
        #[test]
        fn a_compressed_body_is_decompressed(text in prop::collection::vec(any::<u8>(), 0..4_000)) {
            for (flags, body) in compressed(&text) {
                prop_assert_eq!(inflated(flags, &body).unwrap().unwrap(), text.clone());
            }
        }

        #[test]
        fn no_body_makes_the_decompression_panic(
            text in prop::collection::vec(any::<u8>(), 0..400),
            frame in any::<bool>(),
        ) {
            let body = if frame { [&LZ4_FRAME[..], &text].concat() } else { text };
            for flags in [ZLIB, ZSTD, LZ4] {
                if let Ok(found) = inflated(flags, &body) {
                    prop_assert!(found.unwrap().len() <= BODY_BYTES_MAX);
                }
            }
        }
    }
}
