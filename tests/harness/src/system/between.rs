//! What stands between the functions and the rest.

use std::sync::Arc;

use super::SystemOptions;
use crate::provision::Endpoints;
use crate::proxies::Proxies;
use crate::table_proxy::TableProxy;
use crate::template::FunctionSpec;
use crate::weather::Weather;

/// The proxies and the weather that were asked for.
pub(super) struct Between {
    pub(super) proxies: Option<Proxies>,
    pub(super) weather: Option<Arc<Weather>>,
    /// Leads all functions through the weather, when they have no proxies of their own.
    pub(super) weather_proxy: Option<TableProxy>,
}

impl Between {
    pub(super) async fn start(
        options: &SystemOptions,
        functions: &[FunctionSpec],
        endpoints: &Endpoints,
    ) -> anyhow::Result<Self> {
        let table_url = &endpoints.table_url;
        let weather = options.weather.map(|settings| Weather::new(table_url, settings));
        let mut between = Self { proxies: None, weather, weather_proxy: None };
        let weather = between.weather.as_ref();
        if options.proxies {
            let proxies = Proxies::start(functions, table_url, weather, &endpoints.namesrv);
            between.proxies = Some(proxies.await?);
        } else if let Some(weather) = weather {
            between.weather_proxy = Some(weather.proxy().await?);
        }
        Ok(between)
    }

    /// Where functions without proxies of their own find the table.
    pub(super) fn table_url(&self, endpoints: &Endpoints) -> String {
        self.weather_proxy.as_ref().map_or_else(|| endpoints.table_url.clone(), TableProxy::url)
    }
}

#[cfg(test)]
mod tests {
    use super::{Between, SystemOptions};
    use crate::provision::Endpoints;
    use crate::table::{EmbeddedTable, client};
    use crate::weather::WeatherSettings;

    #[tokio::test]
    async fn functions_meet_the_table_through_the_weather_that_is_asked_for() {
        let table = EmbeddedTable::start(0, None).await.unwrap();
        let (namesrv, data) = ("127.0.0.1:1".to_owned(), std::env::temp_dir());
        let endpoints = Endpoints { namesrv, table_url: table.url(), data };
        let mut options = SystemOptions::isolated("/".as_ref()).unwrap();
        let between = Between::start(&options, &[], &endpoints).await.unwrap();
        assert_eq!(between.table_url(&endpoints), table.url());

        options.weather = Some(WeatherSettings::CALM);
        let between = Between::start(&options, &[], &endpoints).await.unwrap();
        let through = client(&between.table_url(&endpoints));
        through.scan().table_name("not-there").send().await.unwrap_err();
        assert_eq!(between.weather.unwrap().consumption().calls("Scan"), 1);
    }
}
