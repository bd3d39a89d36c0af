//! Each template is read, or refused with words.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use local_lambda::Template;

fuzz_target!(|text: &str| {
    let parameters = BTreeMap::from([("RocketmqNamesrvAddr".to_owned(), "a:1".to_owned())]);
    if let Err(error) = Template::parse(text, "stack", &parameters) {
        assert!(!error.to_string().is_empty());
    }
});
