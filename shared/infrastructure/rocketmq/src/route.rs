//! The brokers of a topic.

use cheetah_string::CheetahString;
use rocketmq_model::common::mix_all::MASTER_ID;
use rocketmq_protocol::protocol::body::broker_body::cluster_info::ClusterInfo;
use rocketmq_protocol::protocol::route::topic_route_data::TopicRouteData;

/// A broker that accepts writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Master {
    pub(crate) name: CheetahString,
    pub(crate) address: CheetahString,
    /// How many of the topic's queues on it can be read.
    pub(crate) read_queues: u32,
}

/// What holds the messages of a broker: its master, or a replica while it has no master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) name: CheetahString,
    pub(crate) address: CheetahString,
    /// How many of the topic's queues on it can be read.
    pub(crate) read_queues: u32,
}

/// What holds the messages of a topic, sorted by name and address. A broker without a master is
/// listed with each of its replicas.
pub(crate) fn holders(route: &TopicRouteData) -> Vec<Holder> {
    let mut holders = Vec::new();
    for broker in &route.broker_datas {
        let queues = route.queue_datas.iter().find(|q| q.broker_name() == broker.broker_name());
        let Some(queues) = queues else { continue };
        let addresses = broker.broker_addrs();
        let master = addresses.get(&MASTER_ID);
        let replicas = addresses.values().filter(|_| master.is_none());
        holders.extend(master.into_iter().chain(replicas).map(|address| Holder {
            name: broker.broker_name().clone(),
            address: address.clone(),
            read_queues: queues.read_queue_nums(),
        }));
    }
    holders.sort_by(|a, b| (&a.name, &a.address).cmp(&(&b.name, &b.address)));
    holders
}

/// The masters of a topic, sorted by name.
pub(crate) fn masters(route: &TopicRouteData) -> Vec<Master> {
    let mut masters: Vec<_> = route
        .broker_datas
        .iter()
        .filter_map(|broker| {
            let address = broker.broker_addrs().get(&MASTER_ID)?.clone();
            let queues = route.queue_datas.iter().find(|q| q.broker_name() == broker.broker_name());
            Some(Master {
                name: broker.broker_name().clone(),
                address,
                read_queues: queues?.read_queue_nums(),
            })
        })
        .collect();
    masters.sort_by(|a, b| a.name.cmp(&b.name));
    masters
}

/// The names and addresses of the masters of all clusters, sorted by name.
pub(crate) fn master_addresses(clusters: &ClusterInfo) -> Vec<(CheetahString, CheetahString)> {
    let brokers = clusters.broker_addr_table.iter().flatten();
    let mut masters: Vec<_> = brokers
        .filter_map(|(name, broker)| {
            Some((name.clone(), broker.broker_addrs().get(&MASTER_ID)?.clone()))
        })
        .collect();
    masters.sort();
    masters
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rocketmq_protocol::protocol::route::route_data_view::{BrokerData, QueueData};

    use super::*;

    #[test]
    fn brokers_without_a_master_or_queues_are_ignored() {
        let broker = |name: &str, id: u64| {
            let addresses = HashMap::from([(id, format!("{name}:10911").into())]);
            BrokerData::new("cluster".into(), name.into(), addresses, None)
        };
        let queues = |name: &str| QueueData::new(name.into(), 4, 4, 6, 0);
        let route = TopicRouteData {
            broker_datas: vec![
                broker("b", 0),
                broker("a", 0),
                broker("slave", 1),
                broker("new", 0),
            ],
            queue_datas: vec![queues("a"), queues("b"), queues("slave")],
            ..TopicRouteData::default()
        };
        let names: Vec<_> = masters(&route).into_iter().map(|master| master.name).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn replicas_hold_the_messages_of_a_broker_only_while_it_has_no_master() {
        let broker = |name: &str, ids: &[u64]| {
            let address = |id: &u64| (*id, format!("{name}-{id}:10911").into());
            let addresses = ids.iter().map(address).collect();
            BrokerData::new("cluster".into(), name.into(), addresses, None)
        };
        let queues = |name: &str| QueueData::new(name.into(), 4, 4, 6, 0);
        let route = TopicRouteData {
            broker_datas: vec![broker("b", &[2, 1]), broker("a", &[0, 1]), broker("new", &[0])],
            queue_datas: vec![queues("a"), queues("b")],
            ..TopicRouteData::default()
        };
        let addresses: Vec<_> = holders(&route).into_iter().map(|holder| holder.address).collect();
        assert_eq!(addresses, ["a-0:10911", "b-1:10911", "b-2:10911"]);
    }
}
