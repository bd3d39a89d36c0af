//! What api-docs reads from its environment.

platform::configuration! {
    pub struct Config {
        pub served: bool = |settings| Some(settings.or_default("API_DOCS", false, str::parse)),
    }
}
