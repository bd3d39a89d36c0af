//! What is read as an event is written as it was read.

#![no_main]

use contracts::event::Event;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(event) = Event::decode(bytes) {
        assert_eq!(Event::decode(&event.encode().unwrap()).unwrap(), event);
    }
});
