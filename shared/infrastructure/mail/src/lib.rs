//! Amazon SES behind the application's port for mails.
//!
//! - [`MailConfig`]: from whom mails come, and where their links lead
//! - [`SesMailer`]: sends mails by `SendEmail` of the API of version 2
//! - `text`: what the mails say
//!
//! A token is in the fragment of a link, which no browser sends to a server (RFC 9110, section
//! 4.2.3): it is in no log of a web server or proxy and in no `Referer`, and a scanner of links
//! that requests the page does not use the token.

#![warn(missing_docs)]

mod config;
mod text;

use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::{Failure, FailureClass, WriteTry};
use application::ports::mail::{AddressRejected, Mailer, OutgoingMail};
use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
pub use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::Config;
use aws_sdk_sesv2::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
pub use config::{InvalidLinkBase, LinkBase, MailConfig};
use domain::account::EmailAddress;
use idna::AsciiDenyList;

/// How long it may take to open a connection, with TLS.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// How long a call may take. A mail is tried once: after a try without an answer it may be on its
/// way, and only the use case knows whether another one is right.
const CALL_LIMIT: Duration = Duration::from_secs(3);

/// The SDK's defaults as of this date, whichever version is linked.
fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

fn limits(limit: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_LIMIT)
        .operation_attempt_timeout(limit)
        .operation_timeout(limit)
        .build()
}

/// A client that the environment configures: region, credentials, `AWS_ENDPOINT_URL_SESV2`.
pub async fn connect() -> Client {
    let shared = aws_config::defaults(behavior())
        .timeout_config(limits(CALL_LIMIT))
        .retry_config(RetryConfig::disabled())
        .load()
        .await;
    Client::new(&shared)
}

/// Sends mails through Amazon SES. `SendEmail` has no idempotency key
/// (<https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>), so a repeated call
/// sends another mail.
#[derive(Debug, Clone)]
pub struct SesMailer {
    client: Client,
    config: MailConfig,
}

/// A failed call, without the service's message, which may name the address.
#[derive(Debug, thiserror::Error)]
#[error("the mail service answered {0}")]
struct ServiceError(String);

impl SesMailer {
    /// Sends mails as this configuration says.
    pub const fn new(client: Client, config: MailConfig) -> Self {
        Self { client, config }
    }

    fn content(&self, mail: &OutgoingMail<'_>) -> Result<EmailContent, BuildError> {
        let written = text::render(mail, &self.config.link_base);
        let content = |data: String| Content::builder().data(data).charset("UTF-8").build();
        let body = Body::builder().text(content(written.text)?).html(content(written.html)?);
        let message = Message::builder()
            .subject(content(written.subject.to_owned())?)
            .body(body.build())
            .build();
        Ok(EmailContent::builder().simple(message).build())
    }
}

impl Mailer for SesMailer {
    async fn send(&self, mail: &OutgoingMail<'_>, deadline: Deadline) -> WriteTry<AddressRejected> {
        let address = match deliverable(mail.to) {
            Ok(address) => address,
            Err(rejected) => return WriteTry::Cancelled(rejected),
        };
        let content = match self.content(mail) {
            Ok(content) => content,
            Err(error) => return WriteTry::NotBegun(Failure::new(FailureClass::Permanent, error)),
        };
        let limit = limits(CALL_LIMIT.min(deadline.remaining()));
        let sent = self
            .client
            .send_email()
            .from_email_address(self.config.sender.as_str())
            .destination(Destination::builder().to_addresses(address).build())
            .content(content)
            .customize()
            .config_override(Config::builder().timeout_config(limit))
            .send()
            .await;
        match sent {
            Ok(_) => WriteTry::Done,
            Err(error) => classified(&error),
        }
    }
}

/// The address in the form that Amazon SES takes
/// (<https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Destination.html>): the host in
/// ASCII, by IDNA (UTS #46), and what is before the `@` as typed.
///
/// # Errors
///
/// If what is before the `@` is not ASCII, to which SES sends no mail, or IDNA has no form of the
/// host.
fn deliverable(address: &EmailAddress) -> Result<String, AddressRejected> {
    let (local, host) = address.as_typed().rsplit_once('@').ok_or(AddressRejected)?;
    if !local.is_ascii() {
        return Err(AddressRejected);
    }
    let host = idna::domain_to_ascii_cow(host.as_bytes(), AsciiDenyList::URL);
    Ok(format!("{local}@{}", host.map_err(|_| AddressRejected)?))
}

/// What became of a mail whose call failed.
fn classified<Response>(error: &SdkError<SendEmailError, Response>) -> WriteTry<AddressRejected> {
    let Some(service) = error.as_service_error() else {
        let lost = "the mail service did not answer";
        return WriteTry::Unknown(Failure::new(FailureClass::Unavailable, lost));
    };
    let code = service.code().unwrap_or("an unknown error").to_owned();
    let failure = |class| Failure::new(class, ServiceError(code));
    match service {
        // Sender and content are ours and were checked, so this is about the address.
        SendEmailError::BadRequestException(_) => WriteTry::Cancelled(AddressRejected),
        SendEmailError::TooManyRequestsException(_) | SendEmailError::LimitExceededException(_) => {
            WriteTry::NotBegun(failure(FailureClass::Throttled))
        }
        SendEmailError::AccountSuspendedException(_)
        | SendEmailError::MailFromDomainNotVerifiedException(_)
        | SendEmailError::MessageRejected(_)
        | SendEmailError::NotFoundException(_)
        | SendEmailError::SendingPausedException(_) => {
            WriteTry::NotBegun(failure(FailureClass::Unavailable))
        }
        _ => WriteTry::Unknown(failure(FailureClass::Unavailable)),
    }
}

#[cfg(test)]
mod tests;
