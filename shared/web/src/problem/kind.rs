use http::StatusCode;

/// The problems of this API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// 400: the body is not JSON.
    MalformedJson,
    /// 400: a header is not valid.
    InvalidHeader,
    /// 400: a query parameter is not valid.
    InvalidParameter,
    /// 400: a mailed token is not good.
    InvalidMailToken,
    /// 401: the request is not authenticated.
    Unauthorized,
    /// 403: the user may not do this.
    Forbidden,
    /// 404: the resource does not exist, or the user may not know of it.
    NotFound,
    /// 405: the path exists, but does not allow this method.
    MethodNotAllowed,
    /// 409: the request conflicts with the stored state.
    Conflict,
    /// 413: the body is too long.
    BodyTooLarge,
    /// 415: the body's media type is not supported.
    UnsupportedMediaType,
    /// 422: the body is JSON, but breaks a rule.
    Validation,
    /// 422: the `Idempotency-Key` was used for another request.
    IdempotencyKeyReused,
    /// 429: too many requests.
    TooManyRequests,
    /// 501: the deployment does not have this part.
    NotConfigured,
    /// 503: a part that is needed is unavailable. Trying again may help.
    Unavailable,
    /// 500: a fault of ours.
    Internal,
}

impl ProblemKind {
    pub const ALL: [Self; 17] = [
        Self::MalformedJson,
        Self::InvalidHeader,
        Self::InvalidParameter,
        Self::InvalidMailToken,
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
        Self::NotConfigured,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The problem's `type`: a URN that programs compare.
    pub fn urn(self) -> String {
        format!("urn:order-service:problem:{}", self.slug())
    }

    /// The last part of the `type`, which logs contain.
    pub const fn slug(self) -> &'static str {
        self.parts().0
    }

    /// The problem's `title`: the kind in words.
    pub const fn title(self) -> &'static str {
        self.parts().1
    }

    pub const fn status(self) -> StatusCode {
        self.parts().2
    }

    const fn parts(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::MalformedJson => {
                ("malformed-json", "The body is not JSON", StatusCode::BAD_REQUEST)
            }
            Self::InvalidHeader => {
                ("invalid-header", "A header is not valid", StatusCode::BAD_REQUEST)
            }
            Self::InvalidParameter => {
                ("invalid-parameter", "A query parameter is not valid", StatusCode::BAD_REQUEST)
            }
            Self::InvalidMailToken => {
                ("invalid-mail-token", "The mailed token is not valid", StatusCode::BAD_REQUEST)
            }
            Self::Unauthorized => {
                ("unauthorized", "Authentication is needed", StatusCode::UNAUTHORIZED)
            }
            Self::Forbidden => ("forbidden", "This is not allowed", StatusCode::FORBIDDEN),
            Self::NotFound => ("not-found", "Not found", StatusCode::NOT_FOUND),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                "The path does not allow this method",
                StatusCode::METHOD_NOT_ALLOWED,
            ),
            Self::Conflict => {
                ("conflict", "The request conflicts with the stored state", StatusCode::CONFLICT)
            }
            Self::BodyTooLarge => {
                ("body-too-large", "The body is too long", StatusCode::PAYLOAD_TOO_LARGE)
            }
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                "The media type is not supported",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ),
            Self::Validation => {
                ("validation", "The body breaks a rule", StatusCode::UNPROCESSABLE_ENTITY)
            }
            Self::IdempotencyKeyReused => (
                "idempotency-key-reused",
                "The Idempotency-Key was used for another request",
                StatusCode::UNPROCESSABLE_ENTITY,
            ),
            Self::TooManyRequests => {
                ("too-many-requests", "Too many requests", StatusCode::TOO_MANY_REQUESTS)
            }
            Self::NotConfigured => (
                "not-configured",
                "This deployment does not offer this",
                StatusCode::NOT_IMPLEMENTED,
            ),
            Self::Unavailable => {
                ("unavailable", "The service is not available", StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::Internal => ("internal", "The service failed", StatusCode::INTERNAL_SERVER_ERROR),
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
