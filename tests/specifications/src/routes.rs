//! The lists of routes that are made from `template.yaml`: of `cargo lambda watch`, and of health,
//! which answers requests that match no route.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use local_lambda::{DEFAULT_ROUTE, Route, Template};

use crate::File;

/// Both files, from the template below the root of the repository.
pub(crate) fn files(root: &Path) -> io::Result<Vec<File>> {
    // It has no default, and no route depends on it.
    let parameters = BTreeMap::from([("RocketmqNamesrvAddr".to_owned(), "unused:1".to_owned())]);
    let template = Template::load(&root.join("template.yaml"), "unused", &parameters)
        .map_err(io::Error::other)?;
    Ok(vec![
        File { path: "CargoLambda.toml".to_owned(), text: cargo_lambda(&template) },
        File { path: "functions/health/src/routes.rs".to_owned(), text: health(&template) },
    ])
}

const CARGO_LAMBDA_HEAD: &str = "\
# Made from template.yaml by `cargo xtask contracts`. Do not edit.
#
# The routes of `cargo lambda watch`. It has no default route for requests that match no other, which
# health answers elsewhere.
";

fn cargo_lambda(template: &Template) -> String {
    let mut text = CARGO_LAMBDA_HEAD.to_owned();
    for function in &template.functions {
        let name = &function.name;
        text.extend(in_order(&function.routes).into_iter().map(|Route { method, path }| {
            let table = "[[watch.router]]";
            format!(
                "\n{table}\npath = \"{path}\"\nmethods = [\"{method}\"]\nfunction = \"{name}\"\n"
            )
        }));
    }
    text
}

const HEALTH_HEAD: &str = "\
//! Made from template.yaml by `cargo xtask contracts`. Do not edit.

use lambda_http::http::Method;
use web::route::Route;

/// The routes of the whole service, to distinguish a wrong method from a wrong path. HEAD is not
/// among them: a path has it together with GET.
";

fn health(template: &Template) -> String {
    let mut routes = in_order(template.functions.iter().flat_map(|function| &function.routes));
    routes.retain(|route| route.method != "HEAD");
    let entries: String = routes.iter().map(|route| entry(route)).collect();
    format!("{HEALTH_HEAD}pub const ROUTES: [Route; {}] = [\n{entries}];\n", routes.len())
}

/// `max_width` in rustfmt.toml.
const LINE_LENGTH_MAX: usize = 100;

/// An entry of health's list as rustfmt formats it: on one line if it fits.
fn entry(Route { method, path }: &Route) -> String {
    let line = format!("    Route {{ method: Method::{method}, template: \"{path}\" }},");
    if line.len() <= LINE_LENGTH_MAX {
        return format!("{line}\n");
    }
    format!(
        "    Route {{\n        method: Method::{method},\n        template: \"{path}\",\n    }},\n"
    )
}

/// The order of the methods of one path, and so of those that health names in `Allow`.
const METHODS: [&str; 6] = ["POST", "GET", "HEAD", "PUT", "PATCH", "DELETE"];

/// By path and method, so that the names of events in the template do not change the order. The
/// default route is left out.
fn in_order<'a>(routes: impl IntoIterator<Item = &'a Route>) -> Vec<&'a Route> {
    let mut routes: Vec<_> =
        routes.into_iter().filter(|route| route.path != DEFAULT_ROUTE).collect();
    let rank = |method: &str| METHODS.iter().position(|known| *known == method);
    routes.sort_by_key(|route| (&route.path, rank(&route.method).unwrap_or(METHODS.len())));
    routes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = r#"
Resources:
  HealthFunction:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: health}}
    Properties:
      Events:
        Default: {Type: HttpApi}
        Health: {Type: HttpApi, Properties: {Method: GET, Path: /health}}
        HealthHead: {Type: HttpApi, Properties: {Method: HEAD, Path: /health}}
  ThingFunction:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: thing}}
    Properties:
      Events:
        Delete: {Type: HttpApi, Properties: {Method: DELETE, Path: "/a/{thing}"}}
        Long: {Type: HttpApi, Properties: {Method: PUT, Path: "/a/{thing}/whose/path/is/too/long/for/one/line/of/code"}}
        Show: {Type: HttpApi, Properties: {Method: GET, Path: "/a/{thing}"}}
"#;

    fn template() -> Template {
        Template::parse(TEMPLATE, "unused", &BTreeMap::new()).unwrap()
    }

    #[test]
    fn cargo_lambda_has_every_route_but_the_default_one() {
        let text = cargo_lambda(&template());
        let routers: Vec<_> = text.split("\n[[watch.router]]\n").skip(1).collect();
        let expected = [
            "path = \"/health\"\nmethods = [\"GET\"]\nfunction = \"health\"\n",
            "path = \"/health\"\nmethods = [\"HEAD\"]\nfunction = \"health\"\n",
            "path = \"/a/{thing}\"\nmethods = [\"GET\"]\nfunction = \"thing\"\n",
            "path = \"/a/{thing}\"\nmethods = [\"DELETE\"]\nfunction = \"thing\"\n",
            "path = \"/a/{thing}/whose/path/is/too/long/for/one/line/of/code\"\nmethods = [\"PUT\"]\nfunction = \"thing\"\n",
        ];
        assert_eq!(routers, expected);
    }

    #[test]
    fn health_has_every_route_but_head_and_is_formatted() {
        let text = health(&template());
        let list = text.strip_prefix(HEALTH_HEAD).unwrap();
        let expected = r#"pub const ROUTES: [Route; 4] = [
    Route { method: Method::GET, template: "/a/{thing}" },
    Route { method: Method::DELETE, template: "/a/{thing}" },
    Route {
        method: Method::PUT,
        template: "/a/{thing}/whose/path/is/too/long/for/one/line/of/code",
    },
    Route { method: Method::GET, template: "/health" },
];
"#;
        assert_eq!(list, expected);
    }
}
