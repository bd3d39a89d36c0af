//! Routes, and the parameters of paths and queries.

use domain::identity::OrderId;
use http::Method;
use lambda_http::{Request, RequestExt};

use crate::{Problem, ProblemKind};

/// The order that the path names, of the form `…/{order_id}`. The request's span records it as
/// `order_id`.
///
/// # Errors
///
/// [`no_such_order`] if the parameter is not an order ID: then no order can have it.
pub fn order_id(request: &Request) -> Result<OrderId, Problem> {
    let order_id: OrderId = path_parameter(request, "order_id")
        // A UUID can be spelled in other ways. Ours have this length, so that an order has one
        // path.
        .filter(|text| text.len() == 36)
        .and_then(|text| text.parse().ok())
        .ok_or_else(no_such_order)?;
    tracing::Span::current().record("order_id", tracing::field::display(order_id));
    Ok(order_id)
}

/// The 404 for an order, the same whether it does not exist or belongs to another user.
pub fn no_such_order() -> Problem {
    Problem::not_found("You have no order with this ID.")
}

/// The parameter of the path with this name in the route's template.
pub fn path_parameter<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.path_parameters_ref()?.first(name)
}

/// The decoded parameter of the query with this name.
///
/// # Errors
///
/// A 400 if the query has it more than once: which one counts would be a guess.
pub fn query_parameter(request: &Request, name: &str) -> Result<Option<String>, Problem> {
    let found = request.query_string_parameters_ref().and_then(|query| query.all(name));
    match found.unwrap_or_default()[..] {
        [] => Ok(None),
        [value] => Ok(Some(value.to_owned())),
        [_, _, ..] => {
            let detail = "Send each parameter of the query once.";
            Err(Problem::new(ProblemKind::InvalidParameter, detail))
        }
    }
}

/// A route of the API. `{…}` in the template stands for any one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub method: Method,
    /// Such as `/v1/orders/{order_id}`.
    pub template: &'static str,
}

impl Route {
    fn has_path(&self, path: &str) -> bool {
        let mut wanted = self.template.split('/');
        let mut found = path.split('/');
        loop {
            match (wanted.next(), found.next()) {
                (None, None) => return true,
                (Some(wanted), Some(found)) if wanted == found => {}
                (Some(wanted), Some(found)) if wanted.starts_with('{') && !found.is_empty() => {}
                _ => return false,
            }
        }
    }
}

/// The answer when no route matches: 405 with the methods that the path allows, or 404.
pub fn unmatched(request: &Request, routes: &[Route]) -> Problem {
    let path = request.raw_http_path();
    let methods = routes.iter().filter(|route| route.has_path(path)).map(|route| &route.method);
    let mut allowed = Vec::new();
    for method in methods {
        allowed.push(method.clone());
        // A path that allows GET must allow HEAD (RFC 9110, section 9.1).
        if method == Method::GET {
            allowed.push(Method::HEAD);
        }
    }
    if allowed.is_empty() {
        Problem::not_found("There is nothing at this path.")
    } else {
        Problem::method_not_allowed(&allowed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use lambda_http::Body;

    use super::*;

    fn named(order_id: &str) -> Request {
        let parameters = HashMap::from([("order_id".to_owned(), vec![order_id.to_owned()])]);
        Request::new(Body::Empty).with_path_parameters(parameters)
    }

    #[test]
    fn the_path_names_an_order() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(order_id(&named(id)).unwrap().to_string(), id);
    }

    #[test]
    fn a_text_that_is_not_an_order_id_names_no_order() {
        let braced = "{01890a5d-ac96-774b-bcce-b302099a8057}";
        for text in ["", "1", "../1", braced, "01890a5dac96774bbcceb302099a8057"] {
            assert_eq!(order_id(&named(text)).unwrap_err().kind().status(), 404, "{text}");
        }
        let problem = order_id(&Request::new(Body::Empty)).unwrap_err();
        assert_eq!(problem.kind().status(), 404);
    }

    #[test]
    fn a_known_path_with_another_method_is_405_and_an_unknown_one_404() {
        let routes = [
            Route { method: Method::POST, template: "/v1/orders" },
            Route { method: Method::GET, template: "/v1/orders/{order_id}" },
        ];
        let status = |path: &str| {
            let request = Request::new(Body::Empty).with_raw_http_path(path);
            unmatched(&request, &routes).kind().status().as_u16()
        };
        assert_eq!(status("/v1/orders"), 405);
        assert_eq!(status("/v1/orders/1"), 405);
        assert_eq!(status("/v1/orders/"), 404);
        assert_eq!(status("/v1/orders/1/2"), 404);
        assert_eq!(status("/v1"), 404);
        assert_eq!(status(""), 404);
    }
}
