//! Each function: the size of its binary, how long it takes to start and to answer first, and its
//! memory.

use std::time::Duration;

use anyhow::Context;
use harness::template::FunctionSpec;

use crate::orders::Posted;
use crate::rig::{Rig, Site};
use crate::samples::Samples;

/// How many requests one process answers before its memory is read.
const REQUESTS: u64 = 200;

/// What is measured of a function.
pub(crate) struct FunctionFigures {
    pub(crate) name: String,
    /// Whether it links the RocketMQ client.
    pub(crate) uses_rocketmq: bool,
    pub(crate) binary_bytes: u64,
    /// From the start of the process to its first request for work.
    pub(crate) start: Samples,
    /// From the start of the process to its first answer. None for functions that are invoked for a
    /// window, whose answer comes at its end.
    pub(crate) first_answer: Option<Samples>,
    pub(crate) peak_bytes: Option<u64>,
}

/// Starts each function `starts` times, and has the last process answer [`REQUESTS`] requests.
pub(crate) async fn measure(rig: &Rig, starts: u64) -> anyhow::Result<Vec<FunctionFigures>> {
    let site = rig.site(1).await?;
    let order_id = Posted::new(&site).post().await?;
    let mut figures = Vec::new();
    for function in &site.system.template.functions {
        rig.progress().step(&format!("starting {} {starts} times", function.name));
        figures.push(one(rig, &site, function, &order_id, starts).await?);
    }
    site.stop().await;
    Ok(figures)
}

async fn one(
    rig: &Rig,
    site: &Site,
    function: &FunctionSpec,
    order_id: &str,
    starts: u64,
) -> anyhow::Result<FunctionFigures> {
    let name = &function.name;
    let windowed = function.routes.is_empty();
    let event = if windowed {
        // The shortest window: what counts is the start.
        serde_json::json!({"window_seconds": 1}).to_string()
    } else {
        site.event(rig.root(), name, order_id)?.to_string()
    };
    let mut start = Samples::default();
    let mut first_answer = Samples::default();
    for _ in 0..starts {
        site.kill_instances(name).await?;
        let (init, answered) = invoke(site, name, &event).await?;
        let init = init.with_context(|| format!("{name} was running before it was started"))?;
        start.push(init);
        first_answer.push(init + answered);
    }
    if !windowed {
        for _ in 0..REQUESTS {
            invoke(site, name, &event).await?;
        }
    }
    let binary = rig.binary(name)?;
    Ok(FunctionFigures {
        name: name.clone(),
        // Whoever links the client is told which groups are its deployment's; the others are not.
        uses_rocketmq: function.environment.contains_key("ROCKETMQ_GROUP_PREFIX"),
        binary_bytes: std::fs::metadata(&binary)?.len(),
        start,
        first_answer: (!windowed).then_some(first_answer),
        peak_bytes: site.peak_memory(name)?,
    })
}

/// One invocation: the start, if it started a process, and the time to the answer.
async fn invoke(
    site: &Site,
    function: &str,
    event: &str,
) -> anyhow::Result<(Option<Duration>, Duration)> {
    let result = site.system.host.invoke(function, event.to_owned()).await?;
    let payload = String::from_utf8_lossy(&result.payload);
    anyhow::ensure!(result.function_error.is_none(), "{function} failed: {payload}");
    Ok((result.init, result.duration))
}
