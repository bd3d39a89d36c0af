use http::StatusCode;

/// Every kind of problem that this API tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// 400: the body is not JSON.
    MalformedJson,
    /// 400: a header breaks its rule.
    InvalidHeader,
    /// 400: a parameter of the query breaks its rule.
    InvalidParameter,
    /// 401: who asks is not known.
    Unauthorized,
    /// 403: who asks may not.
    Forbidden,
    /// 404: there is no such thing, or none that the user may know of.
    NotFound,
    /// 405: the path is there, but not with this method.
    MethodNotAllowed,
    /// 409: it doesn't go together with what is there.
    Conflict,
    /// 413: the body is too long.
    BodyTooLarge,
    /// 415: the body is of another media type.
    UnsupportedMediaType,
    /// 422: the body is JSON, but breaks a rule.
    Validation,
    /// 422: the `Idempotency-Key` stands for another request.
    IdempotencyKeyReused,
    /// 429: too many requests.
    TooManyRequests,
    /// 503: something that is needed is away; trying again may help.
    Unavailable,
    /// 500: a fault of ours.
    Internal,
}

impl ProblemKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::MalformedJson,
        Self::InvalidHeader,
        Self::InvalidParameter,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::Validation,
        Self::IdempotencyKeyReused,
        Self::TooManyRequests,
        Self::Unavailable,
        Self::Internal,
    ];

    /// Its `type`: a URN that programs compare.
    pub fn urn(self) -> String {
        format!("urn:order-service:problem:{}", self.slug())
    }

    /// Its name, the last part of its `type`.
    pub const fn slug(self) -> &'static str {
        self.parts().0
    }

    /// Its `title`: the kind in words.
    pub const fn title(self) -> &'static str {
        self.parts().1
    }

    /// Its HTTP status.
    pub const fn status(self) -> StatusCode {
        self.parts().2
    }

    const fn parts(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::MalformedJson => {
                ("malformed-json", "The body is not JSON", StatusCode::BAD_REQUEST)
            }
            Self::InvalidHeader => {
                ("invalid-header", "A header breaks its rule", StatusCode::BAD_REQUEST)
            }
            Self::InvalidParameter => (
                "invalid-parameter",
                "A parameter of the query breaks its rule",
                StatusCode::BAD_REQUEST,
            ),
            Self::Unauthorized => {
                ("unauthorized", "Authentication is needed", StatusCode::UNAUTHORIZED)
            }
            Self::Forbidden => ("forbidden", "This is not allowed", StatusCode::FORBIDDEN),
            Self::NotFound => ("not-found", "There is no such thing", StatusCode::NOT_FOUND),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                "The path doesn't take this method",
                StatusCode::METHOD_NOT_ALLOWED,
            ),
            Self::Conflict => {
                ("conflict", "It doesn't go together with what is there", StatusCode::CONFLICT)
            }
            Self::BodyTooLarge => {
                ("body-too-large", "The body is too long", StatusCode::PAYLOAD_TOO_LARGE)
            }
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                "The body is of another media type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ),
            Self::Validation => {
                ("validation", "The body breaks a rule", StatusCode::UNPROCESSABLE_ENTITY)
            }
            Self::IdempotencyKeyReused => (
                "idempotency-key-reused",
                "The Idempotency-Key stands for another request",
                StatusCode::UNPROCESSABLE_ENTITY,
            ),
            Self::TooManyRequests => {
                ("too-many-requests", "Too many requests", StatusCode::TOO_MANY_REQUESTS)
            }
            Self::Unavailable => {
                ("unavailable", "The service is not available", StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::Internal => {
                ("internal", "The service has a fault", StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_kinds_have_the_same_type() {
        let urns: HashSet<String> = ProblemKind::ALL.map(ProblemKind::urn).into();
        assert_eq!(urns.len(), ProblemKind::ALL.len());
    }

    #[test]
    fn every_kind_is_an_error() {
        for kind in ProblemKind::ALL {
            let status = kind.status();
            assert!(status.is_client_error() || status.is_server_error(), "{kind:?}");
        }
    }
}
