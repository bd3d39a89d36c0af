//! Made from template.yaml by `cargo xtask contracts`. Do not edit.

use lambda_http::http::Method;
use web::route::Route;

/// The routes of the whole service, to distinguish a wrong method from a wrong path. HEAD is not
/// among them: a path has it together with GET.
pub const ROUTES: [Route; 23] = [
    Route { method: Method::GET, template: "/.well-known/jwks.json" },
    Route { method: Method::GET, template: "/docs" },
    Route { method: Method::GET, template: "/docs/{file}" },
    Route { method: Method::GET, template: "/health" },
    Route { method: Method::GET, template: "/health/ready" },
    Route { method: Method::POST, template: "/v1/email-confirmations" },
    Route { method: Method::POST, template: "/v1/orders" },
    Route { method: Method::GET, template: "/v1/orders" },
    Route { method: Method::GET, template: "/v1/orders/{order_id}" },
    Route { method: Method::POST, template: "/v1/orders/{order_id}/cancel" },
    Route { method: Method::POST, template: "/v1/password-resets" },
    Route { method: Method::POST, template: "/v1/password-resets/confirm" },
    Route { method: Method::GET, template: "/v1/products" },
    Route { method: Method::POST, template: "/v1/users" },
    Route { method: Method::POST, template: "/v1/users/login" },
    Route { method: Method::POST, template: "/v1/users/logout" },
    Route { method: Method::GET, template: "/v1/users/me" },
    Route { method: Method::DELETE, template: "/v1/users/me" },
    Route { method: Method::GET, template: "/v1/users/me/activity" },
    Route { method: Method::PUT, template: "/v1/users/me/email" },
    Route { method: Method::POST, template: "/v1/users/me/email-confirmation" },
    Route { method: Method::POST, template: "/v1/users/me/password" },
    Route { method: Method::POST, template: "/v1/users/token" },
];
