//! An operation of the table, and its form in the document.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use web::{Problem, ProblemKind};

use super::problems::{self, Example, ProblemResponse};
use super::reusable::{self, Parameter};

/// Who may send a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It needs no token.
    Anyone,
    /// It needs an access token.
    User,
    /// It needs an access token with some bodies.
    UserSometimes,
}

/// What clients send.
pub(super) struct Body {
    /// A reference to its schema.
    pub(super) schema: Value,
    /// Examples with their names and summaries. All of them are good ones.
    pub(super) examples: Vec<(&'static str, &'static str, Value)>,
}

/// The answer when all goes well.
pub(super) struct Success {
    pub(super) status: StatusCode,
    pub(super) description: &'static str,
    /// A reference to the body's schema and an example, unless it has no body.
    pub(super) body: Option<(Value, Value)>,
    /// Headers in addition to those of every answer, by their names in the components.
    pub(super) headers: &'static [&'static str],
    /// What can be done next.
    pub(super) links: Value,
}

/// A route.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    pub(super) access: Access,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Body>,
    pub(super) success: Success,
    /// The problems of this route alone, in its own words. The usual ones of tokens, bodies, headers
    /// and parameters follow from the members above, and any request can fail with 500 and 503: they
    /// are here where this route has other words for them.
    pub(super) problems: Vec<Problem>,
}

impl Operation {
    /// The kinds of problems that follow from what it is.
    fn usual_kinds(&self) -> Vec<ProblemKind> {
        use ProblemKind::{
            BodyTooLarge, InvalidHeader, InvalidParameter, MalformedJson, Unauthorized,
            UnsupportedMediaType, Validation,
        };
        let mut kinds = vec![ProblemKind::Unavailable, ProblemKind::Internal];
        if self.body.is_some() {
            kinds.extend([MalformedJson, BodyTooLarge, UnsupportedMediaType, Validation]);
        }
        if self.access != Access::Anyone {
            kinds.push(Unauthorized);
        }
        if self.parameters.iter().any(|parameter| parameter.is_checked_header()) {
            kinds.push(InvalidHeader);
        }
        if self.parameters.iter().any(|parameter| parameter.is_checked_in_query()) {
            kinds.push(InvalidParameter);
        }
        kinds
    }

    /// Every problem that it can answer with, in the order of the code's list of kinds.
    fn examples(&self) -> Vec<Example> {
        let own: Vec<Example> = self.problems.iter().map(Example::from).collect();
        let usual = self.usual_kinds();
        let mut examples = Vec::new();
        for kind in ProblemKind::ALL {
            let before = examples.len();
            examples.extend(own.iter().filter(|example| example.kind == kind).cloned());
            if examples.len() == before && usual.contains(&kind) {
                examples.push(Example::usual(kind));
            }
        }
        examples
    }

    fn problems(&self) -> Vec<ProblemResponse> {
        problems::responses(&self.examples(), self.body.is_some())
    }

    /// The components that its answers refer to, by name.
    pub(super) fn problem_responses(&self) -> impl Iterator<Item = (String, Value)> {
        let responses = self.problems().into_iter();
        responses.filter_map(|response| Some((response.name()?, response.to_value())))
    }

    /// The operation in the document.
    pub(super) fn to_value(&self) -> Value {
        let mut responses = Map::new();
        responses.insert(self.success.status.as_str().to_owned(), self.success.to_value());
        for problem in self.problems() {
            let response = match problem.name() {
                Some(name) => json!({"$ref": format!("#/components/responses/{name}")}),
                None => problem.to_value(),
            };
            responses.insert(problem.status().as_str().to_owned(), response);
        }
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.description,
            "security": self.security(),
            "responses": responses,
        });
        let parameters: Vec<Value> = self.parameters.iter().map(|one| one.reference()).collect();
        if !parameters.is_empty() {
            operation["parameters"] = json!(parameters);
        }
        if let Some(body) = &self.body {
            operation["requestBody"] = body.to_value();
        }
        operation
    }

    fn security(&self) -> Value {
        match self.access {
            Access::Anyone => json!([]),
            Access::User => json!([{"bearer": []}]),
            Access::UserSometimes => json!([{"bearer": []}, {}]),
        }
    }
}

impl Body {
    fn to_value(&self) -> Value {
        let examples: Map<String, Value> = self
            .examples
            .iter()
            .map(|(name, summary, value)| {
                ((*name).to_owned(), json!({"summary": summary, "value": value}))
            })
            .collect();
        let content = json!({"schema": self.schema, "examples": examples});
        json!({"required": true, "content": {"application/json": content}})
    }
}

impl Success {
    fn to_value(&self) -> Value {
        let headers = reusable::header_references(self.headers);
        let mut response = json!({"description": self.description, "headers": headers});
        if let Some((schema, example)) = &self.body {
            response["content"] =
                json!({"application/json": {"schema": schema, "example": example}});
        }
        if self.links.as_object().is_some_and(|links| !links.is_empty()) {
            response["links"] = self.links.clone();
        }
        response
    }
}
