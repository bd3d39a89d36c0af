//! The contracts of the ports.
