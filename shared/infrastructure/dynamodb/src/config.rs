//! The names of the tables. Each table has its own type, so that one can't be passed for another.

use std::fmt;

use platform::settings::Settings;

/// A table's name: 3 to 255 letters, digits, `_`, `-` and `.`
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableName(String);

/// The text has another length or another character than a [`TableName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a table's name: 3 to 255 letters, digits, '_', '-' and '.'")]
pub struct InvalidTableName;

impl TableName {
    /// Takes 3 to 255 letters, digits, `_`, `-` and `.`.
    ///
    /// # Errors
    ///
    /// [`InvalidTableName`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidTableName> {
        let valid = (3..=255).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidTableName) }
    }

    /// The name, for a call of the SDK.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! table {
    ($(#[$meta:meta])* $name:ident, $setting:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(TableName);

        impl $name {
            const SETTING: &'static str = $setting;

            #[doc = concat!("Reads `", $setting, "`, which is required. `None`: a fault was recorded.")]
            pub fn required(settings: &mut Settings) -> Option<Self> {
                settings.required(Self::SETTING, TableName::parse).map(Self)
            }

            /// A table whose name is not from the settings, but for example from an operator.
            pub const fn named(name: TableName) -> Self {
                Self(name)
            }

            /// The name without the table's type.
            pub const fn name(&self) -> &TableName {
                &self.0
            }

            pub(crate) fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }
    };
}

table!(
    /// Orders, tombstones and counts of open units. The key is `pk` and `sk`.
    OrdersTable,
    "ORDERS_TABLE"
);
table!(
    /// Dead letters. The key is `pk`.
    DeadLettersTable,
    "DEAD_LETTERS_TABLE"
);
table!(
    /// Accounts, and all that belongs to them or to an address. The key is `pk` and `sk`.
    UsersTable,
    "USERS_TABLE"
);
table!(
    /// Products with price and stock. The key is `pk`.
    CatalogTable,
    "CATALOG_TABLE"
);
table!(
    /// Public keys that verify access tokens. The key is `pk`.
    KeysTable,
    "KEYS_TABLE"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_3_to_255_allowed_characters() {
        assert!(TableName::parse("shop-OrdersTable-1A.b_c").is_ok());
        for text in ["", "ab", "orders table", "bestellungen-ü", &"a".repeat(256)] {
            assert_eq!(TableName::parse(text), Err(InvalidTableName), "{text:?}");
        }
    }

    #[test]
    fn the_faults_name_exactly_the_missing_and_invalid_tables() {
        let mut settings = Settings::from_pairs([("ORDERS_TABLE", "orders"), ("KEYS_TABLE", "k")]);
        let orders = OrdersTable::required(&mut settings);
        assert_eq!(orders.map(|table| table.name().to_string()), Some("orders".to_owned()));
        let letters = DeadLettersTable::required(&mut settings);
        let keys = KeysTable::required(&mut settings);
        let faults = settings.finish(letters.zip(keys)).unwrap_err().to_string();
        assert!(faults.contains("DEAD_LETTERS_TABLE is not set"), "{faults}");
        assert!(faults.contains("KEYS_TABLE: must be a table's name"), "{faults}");
        assert!(!faults.contains("ORDERS_TABLE"), "{faults}");
    }
}
