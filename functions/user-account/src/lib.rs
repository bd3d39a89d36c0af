//! `/v1/users/me` and the paths below it: the user's own account. `/v1/email-confirmations` and
//! `/v1/password-resets`: the same account, for somebody with a mailed token. Also `GET
//! /.well-known/jwks.json`: the public keys, for other services that verify access tokens.

pub mod config;
mod mail;
mod public_keys;

use application::outcome::Failure;
use application::ports::{Activity, Bearer, Clock};
use application::users::change_password::{ChangePassword, ChangePasswordError, NewPassword};
use application::users::current_password::ProtectedChangeError;
use application::users::delete_account::{DeleteAccount, Deletion};
use application::users::list_activity::ListActivity;
use application::users::show_account::ShowAccount;
use contracts::timestamp::Timestamp;
use contracts::user::{self, ActivityPage};
use domain::identity::ActivityId;
use dynamodb::{CachedVerificationKeys, DynamoAccounts, DynamoVerificationKeys};
use lambda_http::Request;
use lambda_http::http::StatusCode;
pub use mail::Mail;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use secrecy::SecretString;
use security::password::Argon2idHasher;
use security::tokens::Ed25519TokenVerifier;
use web::{
    Cdn, Pointer, Problem, ProblemKind, RequestContext, Response, authentication, respond, route,
};

pub struct Handler {
    /// `GET /v1/users/me`.
    pub show: ShowAccount<DynamoAccounts, SystemClock>,
    /// `DELETE /v1/users/me`.
    pub delete: DeleteAccount<DynamoAccounts, Argon2idHasher, UuidIdentitySource, SystemClock>,
    /// `POST /v1/users/me/password`.
    pub change_password:
        ChangePassword<DynamoAccounts, Argon2idHasher, UuidIdentitySource, SystemClock>,
    /// `GET /v1/users/me/activity`.
    pub list_activity: ListActivity<DynamoAccounts, SystemClock>,
    /// The use cases of mails; `None` if no mails are sent.
    pub mail: Option<Mail>,
    /// `GET /.well-known/jwks.json`.
    pub keys: DynamoVerificationKeys,
    pub tokens: Ed25519TokenVerifier<CachedVerificationKeys<DynamoVerificationKeys, SystemClock>>,
    pub cdn: Option<Cdn>,
}

impl Handler {
    pub async fn handle(&self, request: Request) -> Response {
        web::serve(&SystemClock, request, async |context, request| {
            if context.route == "GET /.well-known/jwks.json" {
                return public_keys::key_set_response(&self.keys, SystemClock.now()).await;
            }
            match context.route.as_str() {
                "POST /v1/email-confirmations" => {
                    return self.confirm_email(context, &request).await;
                }
                "POST /v1/password-resets" => {
                    return self.ask_to_reset(context, &request).await;
                }
                "POST /v1/password-resets/confirm" => {
                    return self.reset_password(context, &request).await;
                }
                _ => {}
            }
            let bearer = self.bearer(&request).await?;
            match context.route.as_str() {
                "POST /v1/users/me/email-confirmation" => {
                    self.ask_to_confirm(context, bearer, &request).await
                }
                "PUT /v1/users/me/email" => self.ask_to_change(context, bearer, &request).await,
                "GET /v1/users/me" => self.show(bearer).await,
                "DELETE /v1/users/me" => self.delete(context, bearer, &request).await,
                "POST /v1/users/me/password" => {
                    self.change_password(context, bearer, &request).await
                }
                "GET /v1/users/me/activity" => self.list_activity(bearer, &request).await,
                _ => Err(Problem::not_found("There is nothing at this path.")),
            }
        })
        .await
    }

    async fn bearer(&self, request: &Request) -> Result<Bearer, Problem> {
        web::authenticate(request.headers(), &self.tokens, &SystemClock).await
    }

    async fn show(&self, bearer: Bearer) -> Result<Response, Problem> {
        let account = self.show.execute(bearer).await?;
        let requested = account.record().requested_email.as_ref();
        let account = user::Account {
            user_id: account.user_id().get(),
            email: account.email().as_typed().to_owned(),
            email_confirmed: account.record().email_confirmed,
            requested_email: requested.map(|email| email.as_typed().to_owned()),
            registered_at: Timestamp::from_millis(account.record().registered_at.as_millis()),
        };
        respond::json(StatusCode::OK, &account)
    }

    async fn delete(
        &self,
        context: RequestContext,
        bearer: Bearer,
        request: &Request,
    ) -> Result<Response, Problem> {
        let source = web::source(request, self.cdn.as_ref())?;
        let user::DeleteAccount { current_password } = web::read_json(request)?;
        let deletion = Deletion {
            password: SecretString::from(current_password),
            source,
            traceparent: context.trace_context(),
        };
        let deleted = self.delete.execute(bearer, deletion, context.deadline).await;
        deleted.map_err(deletion_problem)?;
        Ok(respond::no_content())
    }

    async fn change_password(
        &self,
        context: RequestContext,
        bearer: Bearer,
        request: &Request,
    ) -> Result<Response, Problem> {
        let source = web::source(request, self.cdn.as_ref())?;
        let user::ChangePassword { current_password, new_password } = web::read_json(request)?;
        let change = NewPassword {
            current: SecretString::from(current_password),
            new: SecretString::from(new_password),
            source,
        };
        let changed = self.change_password.execute(bearer, change, context.deadline).await;
        changed.map_err(password_problem)?;
        Ok(respond::no_content())
    }

    async fn list_activity(&self, bearer: Bearer, request: &Request) -> Result<Response, Problem> {
        let before = route::query_parameter(request, "cursor")?.map(|text| cursor(&text));
        let page = self.list_activity.execute(bearer, before.transpose()?).await?;
        let page = ActivityPage {
            activities: page.items.iter().map(activity_body).collect(),
            next_cursor: page.next.map(|next| next.to_string()),
        };
        respond::json(StatusCode::OK, &page)
    }
}

fn cursor(text: &str) -> Result<ActivityId, Problem> {
    text.parse().map_err(|_| {
        let detail = "Send the previous page's `next_cursor` as `cursor`, or leave `cursor` out.";
        Problem::new(ProblemKind::InvalidParameter, detail)
    })
}

fn activity_body(activity: &Activity) -> user::Activity {
    user::Activity {
        activity_type: activity.kind.as_str().to_owned(),
        at: Timestamp::from_millis(activity.at.as_millis()),
        source: activity.source.to_string(),
        session_id: activity.session.map(|session| *session.as_uuid()),
    }
}

fn deletion_problem(error: ProtectedChangeError) -> Problem {
    refused(error, "The account was not deleted. Correct the password and try again.")
}

fn password_problem(error: ChangePasswordError) -> Problem {
    const UNCHANGED: &str = "The password was not changed. Correct the body and try again.";
    match error {
        ChangePasswordError::Fault(fault) => Problem::validation(UNCHANGED)
            .with_fault(Pointer::root().member("new_password"), fault.to_string()),
        ChangePasswordError::Refused(error) => refused(error, UNCHANGED),
    }
}

/// The problem for a change that was not made. `unchanged` is the detail for a wrong password.
fn refused(error: ProtectedChangeError, unchanged: &str) -> Problem {
    match error {
        ProtectedChangeError::WrongPassword => Problem::validation(unchanged).with_fault(
            Pointer::root().member("current_password"),
            "is not the account's password",
        ),
        ProtectedChangeError::SessionOver => authentication::session_over(),
        ProtectedChangeError::TooMany(wait) => authentication::too_many_guesses(wait),
        ProtectedChangeError::Unavailable(Failure { class, .. }) => Problem::failed(class, error),
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;
    use lambda_http::http::header::CONTENT_TYPE;
    use proptest::prelude::*;

    use super::*;

    fn request(body: Vec<u8>) -> Request {
        let request = lambda_http::http::Request::post("/v1/users/me/password");
        request.header(CONTENT_TYPE, "application/json").body(Body::from(body)).unwrap()
    }

    fn is_client_error(problem: &Problem) -> bool {
        problem.kind().status().is_client_error()
    }

    proptest! {
        #[test]
        fn any_cursor_is_read_or_refused_with_a_problem(text in "\\PC{0,60}") {
            match cursor(&text) {
                Ok(id) => prop_assert_eq!(cursor(&id.to_string()).unwrap(), id),
                Err(problem) => prop_assert!(is_client_error(&problem)),
            }
        }

        #[test]
        fn any_body_is_read_or_refused_with_a_problem(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            cut in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let read = |body| web::read_json::<user::ChangePassword>(&request(body));
            prop_assert!(read(bytes).is_err_and(|problem| is_client_error(&problem)));
            // A valid body with one byte replaced.
            let mut body = br#"{"current_password": "one", "new_password": "other"}"#.to_vec();
            prop_assert!(read(body.clone()).is_ok());
            let cut = cut.index(body.len());
            body[cut] = byte;
            if let Err(problem) = read(body) {
                prop_assert!(is_client_error(&problem));
            }
        }
    }
}
