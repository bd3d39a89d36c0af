//! The query parameters of listings.

use application::orders::list::OrderQuery;
use application::ports::PageLimit;
use domain::identity::ProductId;
use domain::order::OrderStatus;
use lambda_http::Request;
use web::{Problem, ProblemKind, route};

/// The length of a page, unless the client asks for another.
const DEFAULT_LIMIT: PageLimit = match PageLimit::new(20) {
    Some(limit) => limit,
    None => PageLimit::MAX,
};

/// The query of `GET /v1/orders`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OrdersQuery {
    limit: PageLimit,
    status: Option<OrderStatus>,
    cursor: Option<String>,
}

impl OrdersQuery {
    /// Reads `limit`, `status` and `cursor`.
    ///
    /// # Errors
    ///
    /// A 400 that names the first invalid parameter. The cursor is not checked here.
    pub(crate) fn read(request: &Request) -> Result<Self, Problem> {
        let status = route::query_parameter(request, "status")?.map(|name| {
            let wrong = || invalid("`status` must be CREATED, CONFIRMED, REJECTED or CANCELLED.");
            OrderStatus::from_name(&name).ok_or_else(wrong)
        });
        let cursor = route::query_parameter(request, "cursor")?;
        Ok(Self { limit: limit(request)?, status: status.transpose()?, cursor })
    }

    pub(crate) fn as_query(&self) -> OrderQuery<'_> {
        OrderQuery { limit: self.limit, status: self.status, cursor: self.cursor.as_deref() }
    }
}

/// The `limit` of a listing.
///
/// # Errors
///
/// A 400 if it is not a number from 1 to 100.
pub(crate) fn limit(request: &Request) -> Result<PageLimit, Problem> {
    let Some(text) = route::query_parameter(request, "limit")? else { return Ok(DEFAULT_LIMIT) };
    // A sign or leading zeros are refused: a number has one spelling.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let limit = text.parse().ok().filter(|_| is_plain).and_then(PageLimit::new);
    limit.ok_or_else(|| invalid("`limit` must be a number from 1 to 100."))
}

/// The product after which a page of `GET /v1/products` begins.
///
/// # Errors
///
/// A 400 if it is not a cursor of products.
pub(crate) fn product_cursor(request: &Request) -> Result<Option<ProductId>, Problem> {
    let Some(text) = route::query_parameter(request, "cursor")? else { return Ok(None) };
    let id = text.parse().ok().and_then(|id| ProductId::new(id).ok());
    // Only one spelling is accepted.
    let id = id.filter(|id| id.to_string() == text);
    let wrong = || invalid("Send as `cursor` the `next_cursor` of a page of products.");
    id.map(Some).ok_or_else(wrong)
}

/// A 400 for a cursor that no page of this user's orders returned.
pub(crate) fn invalid_orders_cursor() -> Problem {
    invalid("Send as `cursor` the `next_cursor` of a page of your orders with the same `status`.")
}

fn invalid(detail: &'static str) -> Problem {
    Problem::new(ProblemKind::InvalidParameter, detail)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use lambda_http::{Body, RequestExt};
    use proptest::prelude::*;

    use super::*;

    fn request(parameters: &[(&str, &str)]) -> Request {
        let parameters: HashMap<String, Vec<String>> = parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]))
            .collect();
        Request::new(Body::Empty).with_query_string_parameters(parameters)
    }

    #[test]
    fn a_page_has_twenty_orders_of_every_status_if_nothing_else_is_asked_for() {
        let query = OrdersQuery::read(&request(&[])).unwrap();
        let expected =
            OrdersQuery { limit: PageLimit::new(20).unwrap(), status: None, cursor: None };
        assert_eq!(query, expected);
    }

    #[test]
    fn limits_from_1_to_100_are_accepted() {
        for text in ["1", "20", "100"] {
            let limit = limit(&request(&[("limit", text)])).unwrap();
            assert_eq!(limit.get().to_string(), text);
        }
        for text in ["", "0", "101", "-1", "+1", "01", "1.0", "ten", "1 ", "99999999999999999999"] {
            let problem = limit(&request(&[("limit", text)])).unwrap_err();
            assert_eq!(problem.kind().status(), 400, "{text:?}");
        }
    }

    #[test]
    fn an_unknown_status_is_refused() {
        for text in ["", "created", "SHIPPED"] {
            let problem = OrdersQuery::read(&request(&[("status", text)])).unwrap_err();
            assert_eq!(problem.kind().status(), 400, "{text:?}");
        }
    }

    #[test]
    fn a_parameter_that_comes_twice_is_refused() {
        for name in ["limit", "status", "cursor"] {
            let twice = HashMap::from([(name.to_owned(), vec!["1".to_owned(), "1".to_owned()])]);
            let request = Request::new(Body::Empty).with_query_string_parameters(twice);
            let problem = OrdersQuery::read(&request).unwrap_err();
            assert_eq!(problem.kind().status(), 400, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_product_cursor_or_refused(text in "\\PC{0,30}") {
            match product_cursor(&request(&[("cursor", &text)])) {
                Ok(id) => prop_assert_eq!(id.map(|id| id.to_string()), Some(text)),
                Err(problem) => prop_assert_eq!(problem.kind().status(), 400),
            }
        }
    }
}
