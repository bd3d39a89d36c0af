//! Routes: which function answers a request.

use http::Method;

use crate::template::{DEFAULT_ROUTE, FunctionSpec};

/// The routes of an API, the most specific first.
pub(super) struct Routes {
    routes: Vec<Entry>,
    default: Option<String>,
}

struct Entry {
    method: String,
    path: String,
    segments: Vec<Segment>,
    function: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    // The order is the priority: API Gateway prefers a full match to a parameter, and a parameter
    // to one that matches the rest of the path.
    Exact(String),
    Parameter(String),
    Rest(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) function: &'a str,
    /// Such as `GET /v1/pictures/{picture_id}` or `$default`.
    pub(super) route_key: String,
    /// Percent-decoded.
    pub(super) parameters: Vec<(&'a str, String)>,
}

impl Routes {
    pub(super) fn new(functions: &[FunctionSpec]) -> anyhow::Result<Self> {
        let mut routes: Vec<Entry> = Vec::new();
        let mut default = None;
        for function in functions {
            for route in &function.routes {
                if route.path == DEFAULT_ROUTE {
                    let earlier = default.replace(function.name.clone());
                    anyhow::ensure!(earlier.is_none(), "the template has two default routes");
                    continue;
                }
                let entry = Entry {
                    method: route.method.clone(),
                    path: route.path.clone(),
                    segments: segments(&route.path),
                    function: function.name.clone(),
                };
                let same = |other: &&Entry| {
                    other.method == entry.method && other.segments == entry.segments
                };
                if let Some(other) = routes.iter().find(same) {
                    anyhow::bail!(
                        "{} {} belongs to both {} and {}",
                        entry.method,
                        entry.path,
                        other.function,
                        entry.function
                    );
                }
                routes.push(entry);
            }
        }
        routes.sort_by(|a, b| {
            a.segments.cmp(&b.segments).then((a.method == "ANY").cmp(&(b.method == "ANY")))
        });
        Ok(Self { routes, default })
    }

    /// The route for a request. A path that exists only with another method goes to the default
    /// route, as on AWS.
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<Found<'_>> {
        for route in &self.routes {
            if route.method != "ANY" && route.method != method.as_str() {
                continue;
            }
            if let Some(parameters) = route.matches(path) {
                return Some(Found {
                    function: &route.function,
                    route_key: format!("{} {}", route.method, route.path),
                    parameters,
                });
            }
        }
        self.default.as_deref().map(|function| Found {
            function,
            route_key: DEFAULT_ROUTE.to_owned(),
            parameters: Vec::new(),
        })
    }
}

impl Entry {
    fn matches(&self, path: &str) -> Option<Vec<(&str, String)>> {
        let mut parameters = Vec::new();
        let mut given = path.strip_prefix('/')?.split('/');
        for segment in &self.segments {
            match segment {
                Segment::Exact(text) => {
                    if percent_decode(given.next()?) != *text {
                        return None;
                    }
                }
                Segment::Parameter(name) => {
                    let value = given.next().filter(|value| !value.is_empty())?;
                    parameters.push((name.as_str(), percent_decode(value)));
                }
                Segment::Rest(name) => {
                    let rest = given.by_ref().collect::<Vec<_>>().join("/");
                    if rest.is_empty() {
                        return None;
                    }
                    parameters.push((name.as_str(), percent_decode(&rest)));
                }
            }
        }
        given.next().is_none().then_some(parameters)
    }
}

fn segments(path: &str) -> Vec<Segment> {
    path.trim_start_matches('/')
        .split('/')
        .map(|segment| match segment.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
            None => Segment::Exact(segment.to_owned()),
            Some(name) => match name.strip_suffix('+') {
                None => Segment::Parameter(name.to_owned()),
                Some(name) => Segment::Rest(name.to_owned()),
            },
        })
        .collect()
}

/// Decodes `%41`. An invalid escape is kept; bytes that are not UTF-8 become the replacement
/// character, because a JSON event cannot contain them.
pub(super) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match (escaped, tail) {
            (Some((high, low)), [_, _, after @ ..]) => {
                bytes.push(high << 4 | low);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use http::Method;

    use super::{Routes, percent_decode};
    use crate::template::{FunctionSpec, Route};

    fn function(name: &str, routes: &[(&str, &str)]) -> FunctionSpec {
        FunctionSpec {
            logical_id: name.to_owned(),
            name: name.to_owned(),
            timeout: Duration::from_secs(1),
            memory_mib: 128,
            environment: BTreeMap::new(),
            routes: routes
                .iter()
                .map(|(method, path)| Route { method: (*method).into(), path: (*path).into() })
                .collect(),
            schedules: Vec::new(),
            permissions: None,
        }
    }

    fn routes() -> Routes {
        Routes::new(&[
            function("health", &[("GET", "/health"), ("ANY", "$default")]),
            function("get", &[("GET", "/v1/pictures/{picture_id}"), ("GET", "/v1/pictures")]),
            function("latest", &[("GET", "/v1/pictures/latest")]),
            function("files", &[("ANY", "/files/{path+}")]),
        ])
        .unwrap()
    }

    fn found(method: Method, path: &str) -> (String, Vec<String>) {
        let routes = routes();
        let found = routes.find(&method, path).unwrap();
        let values = found.parameters.into_iter().map(|(name, value)| format!("{name}={value}"));
        (found.route_key, values.collect())
    }

    #[test]
    fn an_exact_path_wins_over_a_parameter() {
        assert_eq!(found(Method::GET, "/v1/pictures/latest").0, "GET /v1/pictures/latest");
        assert_eq!(found(Method::GET, "/v1/pictures").0, "GET /v1/pictures");
    }

    #[test]
    fn path_parameters_are_decoded_and_do_not_cross_a_slash() {
        let (key, values) = found(Method::GET, "/v1/pictures/a%2Fb%20c");
        assert_eq!(
            (key.as_str(), values),
            ("GET /v1/pictures/{picture_id}", vec!["picture_id=a/b c".into()])
        );
        assert_eq!(found(Method::GET, "/v1/pictures/a/b").0, "$default");
        assert_eq!(found(Method::GET, "/v1/pictures/").0, "$default");
    }

    #[test]
    fn a_greedy_parameter_matches_the_rest() {
        let (key, values) = found(Method::PUT, "/files/a/b");
        assert_eq!((key.as_str(), values), ("ANY /files/{path+}", vec!["path=a/b".into()]));
    }

    #[test]
    fn an_unknown_method_goes_to_the_default_route() {
        assert_eq!(found(Method::DELETE, "/health").0, "$default");
        assert_eq!(found(Method::GET, "/nowhere").0, "$default");
    }

    #[test]
    fn without_a_default_route_there_is_no_answer() {
        let routes = Routes::new(&[function("health", &[("GET", "/health")])]).unwrap();
        assert!(routes.find(&Method::GET, "/nowhere").is_none());
    }

    #[test]
    fn a_route_belongs_to_one_function() {
        let twice = [function("a", &[("GET", "/x")]), function("b", &[("GET", "/x")])];
        assert!(Routes::new(&twice).is_err());
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        assert_eq!(percent_decode("100%"), "100%");
        assert_eq!(percent_decode("%zz%4"), "%zz%4");
        assert_eq!(percent_decode("%C3%A9"), "é");
    }
}
