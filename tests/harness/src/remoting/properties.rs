use std::collections::BTreeMap;

/// Between a property's name and its value (`MessageDecoder.java`).
pub(super) const NAME_VALUE_SEPARATOR: char = '\u{1}';
/// Between two properties.
pub(super) const PROPERTY_SEPARATOR: char = '\u{2}';

/// Of a message; a send request has them in one field.
pub(super) fn parse_properties(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split(PROPERTY_SEPARATOR).filter_map(|p| p.split_once(NAME_VALUE_SEPARATOR));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::parse_properties;

    #[test]
    fn properties_are_read_as_the_client_writes_them() {
        let properties = parse_properties("TRAN_MSG\u{1}true\u{2}event_id\u{1}e\u{2}");
        assert_eq!(properties.len(), 2);
        assert_eq!(properties["TRAN_MSG"], "true");
        assert_eq!(properties["event_id"], "e");
    }
}
