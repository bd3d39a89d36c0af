//! Classifies errors of the SDK: the class of the failure, and whether a write may have happened.
//!
//! The codes are those of
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html> and
//! of <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/CommonErrors.html>.

use std::error::Error;

use application::outcome::{Failure, FailureClass, WriteTry};
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};

/// The code of a write whose condition did not hold.
const CONDITION_FAILED: &str = "ConditionalCheckFailedException";

/// The error of one of `DynamoDB`'s operations.
pub(crate) trait OperationError:
    Error + ProvideErrorMetadata + Send + Sync + 'static
{
}

impl<ServiceError: Error + ProvideErrorMetadata + Send + Sync + 'static> OperationError
    for ServiceError
{
}

/// Whether a failed write may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailedWrite {
    /// The write is not stored and will not be.
    NotStored,
    /// The write may be stored, now or later.
    Unknown,
}

/// The class of an error, and whether the write may have happened.
pub(crate) fn classify(
    error: &SdkError<impl OperationError, HttpResponse>,
) -> (FailureClass, FailedWrite) {
    match error {
        SdkError::ConstructionFailure(_) => (FailureClass::Permanent, FailedWrite::NotStored),
        SdkError::ServiceError(answer) => {
            by_code(answer.err().code().unwrap_or_default(), answer.raw().status().as_u16())
        }
        _ if was_never_connected(error) => (FailureClass::Unavailable, FailedWrite::NotStored),
        _ => (FailureClass::Unavailable, FailedWrite::Unknown),
    }
}

/// Like [`classify`], for an error that `DynamoDB` answered.
fn by_code(code: &str, status: u16) -> (FailureClass, FailedWrite) {
    match code {
        CONDITION_FAILED
        | "TransactionCanceledException"
        | "TransactionConflictException"
        | "ReplicatedWriteConflictException" => (FailureClass::Conflict, FailedWrite::NotStored),
        // An earlier try of the same transaction is still under way and may succeed.
        "TransactionInProgressException" => (FailureClass::Conflict, FailedWrite::Unknown),
        "ThrottlingException"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded" => (FailureClass::Throttled, FailedWrite::NotStored),
        // A fault of the deployment and not of the call. The call succeeds once that is corrected,
        // so it must not be given up for ever.
        "AccessDeniedException"
        | "ExpiredTokenException"
        | "IncompleteSignatureException"
        | "InvalidSignatureException"
        | "MissingAuthenticationTokenException"
        | "ResourceNotFoundException"
        | "UnrecognizedClientException" => (FailureClass::Unavailable, FailedWrite::NotStored),
        _ if (400..500).contains(&status) => (FailureClass::Permanent, FailedWrite::NotStored),
        _ => (FailureClass::Unavailable, FailedWrite::Unknown),
    }
}

/// Whether there was no connection, so that nothing was sent: it was refused or not opened in time,
/// or the address or TLS failed. Only the HTTP client's own error shows this.
fn was_never_connected(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<hyper_util::client::legacy::Error>())
        .any(hyper_util::client::legacy::Error::is_connect)
}

/// The failure of a read.
pub(crate) fn failure(error: SdkError<impl OperationError, HttpResponse>) -> Failure {
    Failure::new(classify(&error).0, error)
}

/// Whether the condition of a write held. Any other fault stays an error.
#[expect(clippy::result_large_err, reason = "the SDK's error is passed on as it came")]
pub(crate) fn condition_held<Output, ServiceError: ProvideErrorMetadata>(
    written: Result<Output, SdkError<ServiceError, HttpResponse>>,
) -> Result<bool, SdkError<ServiceError, HttpResponse>> {
    match written {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some(CONDITION_FAILED) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The outcome of one try of a write that failed for a reason other than its condition.
pub(crate) fn failed_try<Reason>(
    error: SdkError<impl OperationError, HttpResponse>,
) -> WriteTry<Reason> {
    match classify(&error) {
        (class, FailedWrite::NotStored) => WriteTry::NotBegun(Failure::new(class, error)),
        (class, FailedWrite::Unknown) => WriteTry::Unknown(Failure::new(class, error)),
    }
}

/// The failure of a request that lacks a part, which is a bug of this crate.
pub(crate) fn incomplete(error: BuildError) -> Failure {
    Failure::new(FailureClass::Permanent, error)
}
