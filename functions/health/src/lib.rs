//! `GET /health` and `GET /health/ready`, and the answer to requests that match no route.

pub mod config;
pub mod routes;

use std::time::Duration;

use application::operations::assess_health::{AssessHealth, Health};
use contracts::health::Health as Body;
use dynamodb::{DynamoAggregates, DynamoTables};
use lambda_http::Request;
use lambda_http::RequestExt;
use lambda_http::http::{Method, StatusCode};
use platform::clock::SystemClock;
use platform::name_servers::RemotingNameServers;
use web::route::unmatched;
use web::{Problem, Response, respond};

use crate::routes::ROUTES;

const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Answers the health routes, and every request that matches no route.
pub struct Handler {
    pub assess: AssessHealth<DynamoTables, RemotingNameServers, DynamoAggregates, SystemClock>,
}

impl Handler {
    pub async fn handle(&self, request: Request) -> Response {
        web::serve(&SystemClock, request, async |_, request| self.answer(&request).await).await
    }

    async fn answer(&self, request: &Request) -> Result<Response, Problem> {
        match (request.method(), request.raw_http_path()) {
            (&Method::GET, "/health") => status("ok", Vec::new()),
            (&Method::GET, "/health/ready") => match self.assess.execute().await {
                Health::Ready => status("ready", Vec::new()),
                Health::Degraded(reasons) => status("degraded", reasons),
                Health::Unavailable(reasons) => Err(Problem::unavailable(RETRY_AFTER)
                    .with_detail(format!("No order can be created: {}.", reasons.join("; ")))),
            },
            _ => Err(unmatched(request, &ROUTES)),
        }
    }
}

fn status(status: &'static str, reasons: Vec<&'static str>) -> Result<Response, Problem> {
    let reasons = reasons.into_iter().map(str::to_owned).collect();
    respond::json(StatusCode::OK, &Body { status: status.to_owned(), reasons })
}
