//! `GET /health` and `GET /health/ready`, and the answer to requests that match no route.

pub mod config;

use std::time::Duration;

use application::operations::assess_health::{AssessHealth, Health};
use contracts::health::Health as Body;
use dynamodb::{DynamoAggregates, DynamoTables};
use lambda_http::Request;
use lambda_http::RequestExt;
use lambda_http::http::{Method, StatusCode};
use platform::clock::SystemClock;
use platform::name_servers::TcpNameServers;
use web::route::{Route, unmatched};
use web::{Problem, Response, respond};

const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The routes of the whole service, to distinguish a wrong method from a wrong path. A test
/// compares them with the template's.
pub const ROUTES: [Route; 23] = [
    Route { method: Method::POST, template: "/v1/orders" },
    Route { method: Method::GET, template: "/v1/orders" },
    Route { method: Method::GET, template: "/v1/orders/{order_id}" },
    Route { method: Method::POST, template: "/v1/orders/{order_id}/cancel" },
    Route { method: Method::GET, template: "/v1/products" },
    Route { method: Method::POST, template: "/v1/users" },
    Route { method: Method::POST, template: "/v1/users/login" },
    Route { method: Method::POST, template: "/v1/users/token" },
    Route { method: Method::POST, template: "/v1/users/logout" },
    Route { method: Method::GET, template: "/v1/users/me" },
    Route { method: Method::DELETE, template: "/v1/users/me" },
    Route { method: Method::POST, template: "/v1/users/me/password" },
    Route { method: Method::GET, template: "/v1/users/me/activity" },
    Route { method: Method::PUT, template: "/v1/users/me/email" },
    Route { method: Method::POST, template: "/v1/users/me/email-confirmation" },
    Route { method: Method::POST, template: "/v1/email-confirmations" },
    Route { method: Method::POST, template: "/v1/password-resets" },
    Route { method: Method::POST, template: "/v1/password-resets/confirm" },
    Route { method: Method::GET, template: "/.well-known/jwks.json" },
    Route { method: Method::GET, template: "/health" },
    Route { method: Method::GET, template: "/health/ready" },
    Route { method: Method::GET, template: "/docs" },
    Route { method: Method::GET, template: "/docs/{file}" },
];

/// Answers the health routes, and every request that matches no route.
pub struct Handler {
    pub assess: AssessHealth<DynamoTables, TcpNameServers, DynamoAggregates, SystemClock>,
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
