//! Typed settings from the environment, with all faults reported together.
//!
//! ```
//! use platform::settings::Settings;
//!
//! platform::configuration! {
//!     /// What a function reads.
//!     pub struct Config {
//!         /// The name of a table.
//!         pub table: String = |settings| settings.required("ORDERS_TABLE", str::parse),
//!         /// How long a window is, in seconds.
//!         pub window_seconds: u64 = |settings| Some(settings.or_default("SECONDS", 50, str::parse)),
//!     }
//! }
//!
//! let wrong = Config::read(Settings::from_pairs([("SECONDS", "soon")]));
//! let faults = wrong.err().expect("two settings are wrong").to_string();
//! assert!(faults.contains("ORDERS_TABLE") && faults.contains("SECONDS"));
//! ```

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Display;

use crate::telemetry::directives;

/// The environment, and the faults that were found in it so far.
#[derive(Debug)]
pub struct Settings {
    values: HashMap<String, String>,
    faults: Vec<String>,
}

/// Declares a configuration: a struct each of whose fields says how it is read from [`Settings`].
///
/// A field is read by a function that returns `None` when it has recorded a fault. Every field is
/// read, so that all faults are reported together.
#[macro_export]
macro_rules! configuration {
    (
        $(#[$about:meta])*
        pub struct $name:ident {
            $($(#[$field_about:meta])* pub $field:ident: $value:ty = $read:expr,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug)]
        pub struct $name {
            $($(#[$field_about])* pub $field: $value,)+
        }

        impl $name {
            /// Reads the environment.
            ///
            /// # Errors
            ///
            /// [`InvalidSettings`]($crate::settings::InvalidSettings), naming every setting that is
            /// missing or wrong.
            pub fn read(
                mut settings: $crate::settings::Settings,
            ) -> ::core::result::Result<Self, $crate::settings::InvalidSettings> {
                $(let $field = $crate::settings::read_by(&mut settings, $read);)+
                let config = || ::core::option::Option::Some(Self { $($field: $field?,)+ });
                settings.finish(config())
            }
        }
    };
}

/// Reads one field of a [`configuration`].
#[doc(hidden)]
pub fn read_by<Value>(
    settings: &mut Settings,
    read: impl FnOnce(&mut Settings) -> Option<Value>,
) -> Option<Value> {
    read(settings)
}

/// Settings are missing or wrong. `Display` names every one, but no value, because some are secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration is wrong: {}", .0.join("; "))]
pub struct InvalidSettings(Vec<String>);

impl Settings {
    /// The process's environment. Bytes that are not UTF-8 become U+FFFD. No setting allows that
    /// character where it matters, so a variable that is not ours does no harm.
    #[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
    pub fn from_environment() -> Self {
        let text = |text: OsString| text.to_string_lossy().into_owned();
        let values = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
        Self { values: values.collect(), faults: Vec::new() }
    }

    /// These settings and no others.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let values = pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Self { values, faults: Vec::new() }
    }

    /// Adds a setting, or replaces the one of this name.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.values.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A required setting. `None` means that a fault was recorded.
    pub fn required<Value, Error: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<Value, Error>,
    ) -> Option<Value> {
        if self.value(name).is_none() {
            self.faults.push(format!("{name} is not set"));
        }
        self.optional(name, parse)
    }

    /// A setting that may be missing or empty. `None` if it is, or if a fault was recorded.
    pub fn optional<Value, Error: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<Value, Error>,
    ) -> Option<Value> {
        match parse(self.value(name)?) {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(name, error);
                None
            }
        }
    }

    /// Settings that belong together. `None` if none of them is set, or if a fault was recorded.
    /// `parse` returns the fault of each setting that has one.
    pub fn together<Value, Error: Display, const COUNT: usize>(
        &mut self,
        names: [&'static str; COUNT],
        parse: impl FnOnce([&str; COUNT]) -> Result<Value, [Option<Error>; COUNT]>,
    ) -> Option<Value> {
        let values = names.map(|name| self.value(name));
        let set = names.iter().zip(values).find_map(|(name, value)| value.map(|_| *name))?;
        let parsed = if values.iter().all(Option::is_some) {
            let text = |fault: Option<Error>| fault.map(|fault| fault.to_string());
            parse(values.map(Option::unwrap_or_default)).map_err(|faults| faults.map(text))
        } else {
            let missing = || format!("is not set, but {set} is");
            Err(values.map(|value| value.is_none().then(missing)))
        };
        match parsed {
            Ok(value) => Some(value),
            Err(faults) => {
                for (name, fault) in names.into_iter().zip(faults) {
                    fault.into_iter().for_each(|fault| self.refuse(name, fault));
                }
                None
            }
        }
    }

    /// A setting that has a default.
    pub fn or_default<Value, Error: Display>(
        &mut self,
        name: &'static str,
        default: Value,
        parse: impl FnOnce(&str) -> Result<Value, Error>,
    ) -> Value {
        self.optional(name, parse).unwrap_or(default)
    }

    /// Records a fault of a setting that was read, such as a conflict with another setting.
    pub fn refuse(&mut self, name: &'static str, why: impl Display) {
        self.faults.push(format!("{name}: {why}"));
    }

    /// The configuration, if no fault was found. `RUST_LOG`, which every function has, is checked
    /// here; [`telemetry::start`](crate::telemetry::start) has already used its valid directives,
    /// so that these faults can be logged.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`] with every fault that was recorded.
    pub fn finish<Config>(mut self, config: Option<Config>) -> Result<Config, InvalidSettings> {
        self.optional("RUST_LOG", directives::check);
        match config {
            Some(config) if self.faults.is_empty() => Ok(config),
            _ => Err(InvalidSettings(self.faults)),
        }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_belong_together_are_all_set_or_none() {
        let read = |pairs: &[(&str, &str)]| {
            let mut settings = Settings::from_pairs(pairs.iter().copied());
            let even = |text: &str| match text.parse::<u8>() {
                Ok(number) if number % 2 == 0 => None,
                _ => Some("must be even"),
            };
            let pair = settings.together(["ONE", "OTHER"], |values| {
                let faults = values.map(even);
                if faults == [None, None] { Ok(values.concat()) } else { Err(faults) }
            });
            settings.finish(Some(pair)).map_err(|faults| faults.to_string())
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("ONE", ""), ("OTHER", " ")]), Ok(None));
        assert_eq!(read(&[("ONE", "2"), ("OTHER", "4")]), Ok(Some("24".to_owned())));
        let half = read(&[("OTHER", "4")]).unwrap_err();
        assert!(half.ends_with(": ONE: is not set, but OTHER is"), "{half}");
        let wrong = read(&[("ONE", "1"), ("OTHER", "3")]).unwrap_err();
        assert!(wrong.ends_with(": ONE: must be even; OTHER: must be even"), "{wrong}");
    }

    #[test]
    fn a_wrong_log_level_is_reported_with_all_other_faults() {
        let faults = |rust_log| {
            let mut settings = Settings::from_pairs([("RUST_LOG", rust_log)]);
            settings.required("ORDERS_TABLE", |text| Ok::<_, String>(text.to_owned()));
            settings.finish(Some(())).unwrap_err().to_string()
        };
        let text = faults("info,hyper=loud");
        assert!(text.contains("ORDERS_TABLE is not set") && text.contains("RUST_LOG: "), "{text}");
        for right in ["", "debug", "info,hyper=trace", "off"] {
            assert!(!faults(right).contains("RUST_LOG"), "{right}");
        }
    }
}
