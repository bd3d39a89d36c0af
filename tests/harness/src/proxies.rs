//! Proxies before the table and the cluster of a system, a pair for each function, so that a fault
//! strikes only one function.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use local_lambda::Template;

use crate::broker::{ClusterAccess, broker_addresses};
use crate::broker_proxy::{BrokerProxy, Journal, Passage};
use crate::observer::Observer;
use crate::roles::Role;
use crate::table_proxy::TableProxy;
use crate::weather::Weather;

pub struct Proxies {
    functions: BTreeMap<String, FunctionProxies>,
    journal: Arc<Journal>,
}

pub struct FunctionProxies {
    pub table: TableProxy,
    pub broker: BrokerProxy,
}

impl Proxies {
    /// Starts a pair for each function of the template, which also holds the function to its role.
    /// They stand before the table at `table_url` (or the weather before it) and the brokers that
    /// the name server knows. `namesrv` may be several, separated by `;` or `,`, but only with an
    /// `observer`, which does not see into connections with TLS.
    ///
    /// # Errors
    /// When no name server answers or knows a broker, a certificate of the cluster cannot be read,
    /// or no port is free.
    pub async fn start(
        template: &Template,
        table_url: &str,
        weather: Option<&Arc<Weather>>,
        namesrv: &str,
        access: Option<&ClusterAccess>,
        observer: Option<&Arc<dyn Observer>>,
    ) -> anyhow::Result<Self> {
        let (name_servers, brokers) = cluster(namesrv).await?;
        let journal = Arc::new(Journal::default());
        let mut proxies = BTreeMap::new();
        for function in &template.functions {
            let table = match weather {
                Some(weather) => weather.proxy().await?,
                None => TableProxy::start(table_url).await?,
            };
            if let Some(role) = Role::of(function, &template.stack_name) {
                table.judge_by(role);
            }
            let journal = Arc::clone(&journal);
            let broker = match (access, observer) {
                (Some(access), _) => {
                    BrokerProxy::start_secured(namesrv, &brokers, journal, access).await?
                }
                (None, None) => BrokerProxy::start(namesrv, &brokers, journal).await?,
                (None, Some(observer)) => {
                    let (seer, name) = (Arc::clone(observer), function.name.clone());
                    table.watch(move |call| seer.call(&name, call));
                    let (seer, name) = (Arc::clone(observer), function.name.clone());
                    let frames = Arc::new(move |passage: &Passage| seer.frame(&name, passage));
                    BrokerProxy::start_observed(&name_servers, &brokers, frames).await?
                }
            };
            proxies.insert(function.name.clone(), FunctionProxies { table, broker });
        }
        Ok(Self { functions: proxies, journal })
    }

    /// # Errors
    /// When the function does not exist.
    pub fn of_function(&self, function: &str) -> anyhow::Result<&FunctionProxies> {
        self.functions
            .get(function)
            .with_context(|| format!("no proxies for the function {function}"))
    }

    /// Of all functions; empty for a system with an observer.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Removes all rules of all proxies and accepts connections again.
    ///
    /// # Errors
    /// When another process has taken a port meanwhile.
    pub async fn heal(&self) -> anyhow::Result<()> {
        for proxies in self.functions.values() {
            proxies.table.heal().await?;
            proxies.broker.heal().await?;
        }
        Ok(())
    }

    /// The variables that make each function use its proxies. The name servers of `namesrv_before`
    /// come first, in this order.
    pub(crate) fn environment(
        &self,
        namesrv_before: &[String],
    ) -> BTreeMap<String, BTreeMap<String, String>> {
        let variables = |proxies: &FunctionProxies| {
            let proxy = proxies.broker.namesrv();
            let name_servers: Vec<_> =
                namesrv_before.iter().map(String::as_str).chain([proxy.as_str()]).collect();
            BTreeMap::from([
                ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), proxies.table.url()),
                ("ROCKETMQ_NAMESRV_ADDR".to_owned(), name_servers.join(";")),
            ])
        };
        let functions = self.functions.iter();
        functions.map(|(name, proxies)| (name.clone(), variables(proxies))).collect()
    }
}

/// The name servers in a list, and the brokers that the first one that answers knows.
async fn cluster(namesrv: &str) -> anyhow::Result<(Vec<&str>, Vec<String>)> {
    let name_servers: Vec<_> = namesrv.split([',', ';']).map(str::trim).collect();
    let mut last = Err(anyhow::anyhow!("no name server is given"));
    for name_server in &name_servers {
        last = broker_addresses(name_server).await;
        if last.is_ok() {
            break;
        }
    }
    Ok((name_servers, last?))
}
