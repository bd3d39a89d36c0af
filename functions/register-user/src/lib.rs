//! `POST /v1/users`: creates an account.

pub mod config;

use application::outcome::Failure;
use application::users::register::{NewUser, RegisterUser, RegisterUserError};
use contracts::user::{Register, Registered};
use dynamodb::DynamoAccounts;
use lambda_http::Request;
use lambda_http::http::StatusCode;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use secrecy::SecretString;
use security::password::Argon2idHasher;
use web::{Cdn, Pointer, Problem, RequestContext, Response, respond};

pub struct Handler {
    pub register: RegisterUser<DynamoAccounts, Argon2idHasher, UuidIdentitySource, SystemClock>,
    pub cdn: Option<Cdn>,
}

impl Handler {
    pub async fn handle(&self, request: Request) -> Response {
        web::serve(&SystemClock, request, async |context, request| {
            self.register(context, &request).await
        })
        .await
    }

    async fn register(
        &self,
        context: RequestContext,
        request: &Request,
    ) -> Result<Response, Problem> {
        let source = web::source(request, self.cdn.as_ref())?;
        let Register { email, password } = web::read_json(request)?;
        let new = NewUser {
            email,
            password: SecretString::from(password),
            source,
            traceparent: context.trace_context(),
        };
        let account = self.register.execute(new, context.deadline).await.map_err(problem)?;
        let registered = Registered {
            user_id: account.user_id().get(),
            email: account.email().as_typed().to_owned(),
        };
        respond::json(StatusCode::CREATED, &registered)
    }
}

fn problem(error: RegisterUserError) -> Problem {
    let invalid =
        || Problem::validation("The account data breaks a rule. Correct it and send it again.");
    match error {
        RegisterUserError::Email(fault) => {
            invalid().with_fault(Pointer::root().member("email"), fault.to_string())
        }
        RegisterUserError::Password(fault) => {
            invalid().with_fault(Pointer::root().member("password"), fault.to_string())
        }
        RegisterUserError::EmailTaken => Problem::conflict(
            "This address already has an account. Log in, or use another address.",
        ),
        RegisterUserError::TooMany(wait) => Problem::too_many_requests(
            "There were too many registrations from your network. Try again later.",
            wait,
        ),
        RegisterUserError::Unavailable(Failure { class, .. }) => Problem::failed(class, error),
    }
}
