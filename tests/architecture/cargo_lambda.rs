//! `cargo lambda watch` routes as the template does.

use std::fmt::Write;

use crate::root;
use crate::template::template;

const HEAD: &str = "\
# For `cargo lambda watch`: the routes of template.yaml; a test keeps them equal. It has no default
# route for requests that match no other, which health answers elsewhere.
";

/// The content of the file that follows from the template.
fn expected() -> String {
    let mut text = HEAD.to_owned();
    for function in template().functions {
        // By path, so that the names of events in the template do not change the order.
        let mut routes: Vec<_> =
            function.routes.iter().filter(|route| route.path != "$default").collect();
        routes.sort_by_key(|route| (&route.path, &route.method));
        for route in routes {
            let (path, method, name) = (&route.path, &route.method, &function.name);
            let router = "\n[[watch.router]]";
            writeln!(
                text,
                "{router}\npath = \"{path}\"\nmethods = [\"{method}\"]\nfunction = \"{name}\""
            )
            .unwrap();
        }
    }
    text
}

#[test]
fn cargo_lambda_has_the_routes_of_the_template() {
    let found = std::fs::read_to_string(root().join("CargoLambda.toml")).unwrap();
    let expected = expected();
    assert_eq!(found, expected, "CargoLambda.toml must be:\n{expected}");
}
