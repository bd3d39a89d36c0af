//! The routes that ask for mails, and those that accept the mailed tokens.

use application::outcome::Failure;
use application::ports::Bearer;
use application::users::ask_for_mail::{AskForMail, AskForMailError, Asking};
use application::users::redeem_mail::{RedeemMail, RedeemMailError};
use contracts::user;
use dynamodb::DynamoAccounts;
use lambda_http::Request;
use platform::clock::SystemClock;
use platform::identity::UuidIdentitySource;
use secrecy::SecretString;
use security::password::Argon2idHasher;
use web::{Pointer, Problem, ProblemKind, RequestContext, Response, respond};

use crate::{Handler, refused};

pub struct Mail {
    pub ask: AskForMail<DynamoAccounts, Argon2idHasher, UuidIdentitySource, SystemClock>,
    pub redeem: RedeemMail<DynamoAccounts, Argon2idHasher, UuidIdentitySource, SystemClock>,
}

impl Handler {
    fn mail(&self) -> Result<&Mail, Problem> {
        let off = "This deployment sends no mails. Its operators can set a sender.";
        self.mail.as_ref().ok_or_else(|| Problem::new(ProblemKind::NotConfigured, off))
    }

    fn asking(&self, context: &RequestContext, request: &Request) -> Result<Asking, Problem> {
        let source = web::source(request, self.cdn.as_ref())?;
        Ok(Asking { source, traceparent: context.trace_context() })
    }

    pub(crate) async fn ask_to_confirm(
        &self,
        context: RequestContext,
        bearer: Bearer,
        request: &Request,
    ) -> Result<Response, Problem> {
        let asking = self.asking(&context, request)?;
        let requested = self.mail()?.ask.confirmation(bearer, asking, context.deadline).await;
        requested.map_err(|error| asking_problem(error, "No mail was requested."))?;
        Ok(respond::accepted())
    }

    pub(crate) async fn ask_to_change(
        &self,
        context: RequestContext,
        bearer: Bearer,
        request: &Request,
    ) -> Result<Response, Problem> {
        let asking = self.asking(&context, request)?;
        let ask = &self.mail()?.ask;
        let user::ChangeEmail { email, current_password } = web::read_json(request)?;
        let password = SecretString::from(current_password);
        let requested = ask.change(bearer, &email, password, asking, context.deadline).await;
        requested.map_err(|error| {
            asking_problem(error, "The address was not changed. Correct the body and try again.")
        })?;
        Ok(respond::accepted())
    }

    pub(crate) async fn ask_to_reset(
        &self,
        context: RequestContext,
        request: &Request,
    ) -> Result<Response, Problem> {
        let asking = self.asking(&context, request)?;
        let ask = &self.mail()?.ask;
        let user::AskToResetPassword { email } = web::read_json(request)?;
        let requested = ask.reset(&email, asking, context.deadline).await;
        requested.map_err(|error| {
            asking_problem(error, "No mail was requested. Correct the body and try again.")
        })?;
        Ok(respond::accepted())
    }

    pub(crate) async fn confirm_email(
        &self,
        context: RequestContext,
        request: &Request,
    ) -> Result<Response, Problem> {
        let source = web::source(request, self.cdn.as_ref())?;
        let redeem = &self.mail()?.redeem;
        let user::ConfirmEmail { token } = web::read_json(request)?;
        let token = SecretString::from(token);
        let confirmed = redeem.confirm_address(&token, source, context.deadline).await;
        confirmed.map_err(redeeming_problem)?;
        Ok(respond::no_content())
    }

    pub(crate) async fn reset_password(
        &self,
        context: RequestContext,
        request: &Request,
    ) -> Result<Response, Problem> {
        let source = web::source(request, self.cdn.as_ref())?;
        let redeem = &self.mail()?.redeem;
        let user::ResetPassword { token, new_password } = web::read_json(request)?;
        let (token, password) = (SecretString::from(token), SecretString::from(new_password));
        let reset = redeem.reset_password(&token, &password, source, context.deadline).await;
        reset.map_err(redeeming_problem)?;
        Ok(respond::no_content())
    }
}

fn asking_problem(error: AskForMailError, unchanged: &str) -> Problem {
    match error {
        AskForMailError::Email(fault) => Problem::validation(unchanged)
            .with_fault(Pointer::root().member("email"), fault.to_string()),
        AskForMailError::AlreadyConfirmed => {
            Problem::conflict("The address is confirmed already, so no mail was sent.")
        }
        AskForMailError::TooMany(wait) => {
            Problem::too_many_requests("Too many mails were requested. Try again later.", wait)
        }
        AskForMailError::Refused(error) => refused(error, unchanged),
    }
}

fn redeeming_problem(error: RedeemMailError) -> Problem {
    match error {
        RedeemMailError::Invalid(_) => Problem::new(
            ProblemKind::InvalidMailToken,
            "The token is wrong, too old or used. Use the newest mail, or ask for another one.",
        )
        .caused_by(error),
        RedeemMailError::Password(fault) => {
            Problem::validation("The password was not changed. Choose another one.")
                .with_fault(Pointer::root().member("new_password"), fault.to_string())
        }
        RedeemMailError::Unavailable(Failure { class, .. }) => Problem::failed(class, error),
    }
}
