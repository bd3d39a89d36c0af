//! What every function needs of its process: settings, telemetry, a clock, identifiers.

pub mod settings;
