//! The proxies and the weather between the functions and the rest.

use std::sync::Arc;

use local_lambda::Template;

use super::SystemOptions;
use crate::provision::Endpoints;
use crate::proxies::Proxies;
use crate::table_proxy::TableProxy;
use crate::weather::Weather;

pub(super) struct Between {
    pub(super) proxies: Option<Proxies>,
    pub(super) weather: Option<Arc<Weather>>,
    /// Passes all functions' calls through the weather, if they have no proxies.
    pub(super) weather_proxy: Option<TableProxy>,
}

impl Between {
    pub(super) async fn start(
        options: &SystemOptions,
        template: &Template,
        endpoints: &Endpoints,
    ) -> anyhow::Result<Self> {
        let table_url = &endpoints.table_url;
        let weather = options.weather.map(|settings| Weather::new(table_url, settings));
        let mut between = Self { proxies: None, weather, weather_proxy: None };
        let weather = between.weather.as_ref();
        if options.proxies || options.observer.is_some() {
            let (namesrv, access) = (&endpoints.namesrv, endpoints.access.as_ref());
            let observer = options.observer.as_ref();
            let proxies = Proxies::start(template, table_url, weather, namesrv, access, observer);
            between.proxies = Some(proxies.await?);
        } else if let Some(weather) = weather {
            between.weather_proxy = Some(weather.proxy().await?);
        }
        Ok(between)
    }

    pub(super) fn table_url(&self, endpoints: &Endpoints) -> String {
        self.weather_proxy.as_ref().map_or_else(|| endpoints.table_url.clone(), TableProxy::url)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Between, SystemOptions, Template};
    use crate::provision::Endpoints;
    use crate::table::{EmbeddedTable, client};
    use crate::weather::WeatherSettings;

    #[tokio::test]
    async fn functions_reach_the_table_through_the_weather() {
        let table = EmbeddedTable::start(0, None).await.unwrap();
        let template = Template::parse("Resources: {}", "stack", &BTreeMap::new()).unwrap();
        let (namesrv, data) = ("127.0.0.1:1".to_owned(), std::env::temp_dir());
        let endpoints = Endpoints { namesrv, table_url: table.url(), data, access: None };
        let mut options = SystemOptions::isolated("/".as_ref()).unwrap();
        let between = Between::start(&options, &template, &endpoints).await.unwrap();
        assert_eq!(between.table_url(&endpoints), table.url());

        options.weather = Some(WeatherSettings::CALM);
        let between = Between::start(&options, &template, &endpoints).await.unwrap();
        let through = client(&between.table_url(&endpoints));
        through.scan().table_name("not-there").send().await.unwrap_err();
        assert_eq!(between.weather.unwrap().consumption().calls("Scan"), 1);
    }
}
