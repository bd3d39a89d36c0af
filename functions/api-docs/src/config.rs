//! What api-docs reads from its environment.

platform::configuration! {
    /// The configuration of api-docs.
    pub struct Config {
        /// Whether the documentation is served.
        pub served: bool = |settings| Some(settings.or_default("API_DOCS", false, str::parse)),
    }
}
