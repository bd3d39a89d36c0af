//! For each function: the size of its binary, the times to its start and to its first answer, and
//! its memory.

use std::time::Duration;

use anyhow::Context;
use local_lambda::FunctionSpec;

use crate::orders::Posted;
use crate::rig::{Rig, Site};
use crate::samples::Samples;

/// Requests that one process answers before its memory is read.
const REQUESTS: u64 = 200;

pub(crate) struct FunctionFigures {
    pub(crate) name: String,
    pub(crate) uses_rocketmq: bool,
    pub(crate) binary_bytes: u64,
    /// From the start of the process until it asks for its first event.
    pub(crate) start: Samples,
    /// From the start of the process to its first answer. `None` for functions that are invoked for
    /// a window, because they answer at its end.
    pub(crate) first_answer: Option<Samples>,
    pub(crate) peak_bytes: Option<u64>,
}

/// Starts each function `starts` times, and sends [`REQUESTS`] requests to the last process.
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
        // The shortest window, because only the start is measured.
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
        // The template gives the group prefix to exactly the functions with the RocketMQ client.
        uses_rocketmq: function.environment.contains_key("ROCKETMQ_GROUP_PREFIX"),
        binary_bytes: std::fs::metadata(&binary)?.len(),
        start,
        first_answer: (!windowed).then_some(first_answer),
        peak_bytes: site.peak_memory(name)?,
    })
}

/// The time of the process's start, if there was one, and the time to the answer.
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
