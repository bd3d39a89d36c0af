//! What is read as a frame of RocketMQ's protocol is written as it was read.

#![no_main]

use bytes::Bytes;
use harness::remoting::{Frame, popped};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = Frame::decode(&Bytes::copy_from_slice(bytes)) else { return };
    drop((frame.message_properties(), popped(&frame.body, "event_id")));
    assert_eq!(Frame::decode(&frame.encode().unwrap()).unwrap(), frame);
});
