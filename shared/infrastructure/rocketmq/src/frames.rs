//! The messages in a broker's answer, one behind the other. Each begins with its length.

use bytes::Bytes;

/// How many bytes of a frame say how long it is.
pub(crate) const LENGTH_BYTES: usize = 4;

/// Takes the first frame, if it is all there. If bytes are left over, the last frame was cut off.
pub(crate) fn next_frame(answer: &mut Bytes) -> Option<Bytes> {
    let length = i32::from_be_bytes(*answer.first_chunk::<LENGTH_BYTES>()?);
    let length = usize::try_from(length).ok()?;
    (LENGTH_BYTES..=answer.len()).contains(&length).then(|| answer.split_to(length))
}

#[cfg(test)]
pub(crate) mod samples {
    use super::LENGTH_BYTES;

    /// The frame of a message of queue 2 with the body `{}`, as `MessageDecoder.java` writes it.
    /// `stored_at` is in milliseconds; each property is its name, 1, its value, 2.
    pub(crate) fn frame(topic: &str, offset: i64, stored_at: i64, properties: &str) -> Vec<u8> {
        let mut frame = vec![0; LENGTH_BYTES];
        // The magic code of a message; the checksum of its body, which nobody asks for.
        frame.extend(0xdaa3_20a7_u32.to_be_bytes());
        frame.extend(0_u32.to_be_bytes());
        // The queue, a flag; where it is in the queue and in the log; the system's flag.
        frame.extend(2_i32.to_be_bytes());
        frame.extend(0_i32.to_be_bytes());
        frame.extend(offset.to_be_bytes());
        frame.extend(0_i64.to_be_bytes());
        frame.extend(0_i32.to_be_bytes());
        // When and where it was born, and stored.
        for host in [[127, 0, 0, 1, 0, 0, 0, 9], [127, 0, 0, 1, 0, 0, 0, 10]] {
            frame.extend(stored_at.to_be_bytes());
            frame.extend(host);
        }
        // How often it was delivered, and where its half message is.
        frame.extend(0_i32.to_be_bytes());
        frame.extend(0_i64.to_be_bytes());
        frame.extend(2_i32.to_be_bytes());
        frame.extend(b"{}");
        frame.push(u8::try_from(topic.len()).unwrap());
        frame.extend(topic.as_bytes());
        frame.extend(i16::try_from(properties.len()).unwrap().to_be_bytes());
        frame.extend(properties.as_bytes());
        let length = i32::try_from(frame.len()).unwrap();
        frame[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        frame
    }
}
