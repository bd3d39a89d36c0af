//! The client's errors and the broker's answers as the application's failures.

use std::error::Error;
use std::fmt;

use application::outcome::{Failure, FailureClass};
use rocketmq_client_rust::ClientError;
use rocketmq_protocol::code::response_code::ResponseCode;
use rocketmq_protocol::protocol::remoting_command::RemotingCommand;

/// The code of a broker's answer to a successful request.
pub(crate) const SUCCESS: i32 = ResponseCode::Success as i32;

/// The client could not make a call. The client's errors are redacted when they are printed, so
/// this one prints their fields.
#[derive(Debug)]
pub(crate) struct ClientFault(ClientError);

impl fmt::Display for ClientFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the client failed with {}", self.0.descriptor().code())?;
        if let Some(code) = self.0.broker_response_code() {
            write!(f, ", the broker answered {code}")?;
        }
        match self.0.broker_addr() {
            Some(address) => write!(f, " at {address}"),
            None => Ok(()),
        }
    }
}

impl Error for ClientFault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Error::source(self.0.shared_error().as_ref())
    }
}

/// The broker answered with a code other than success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the broker answered {code}: {remark}")]
pub(crate) struct BrokerAnswer {
    pub(crate) code: i32,
    pub(crate) remark: String,
}

impl BrokerAnswer {
    /// The answer, unless it is success.
    pub(crate) fn unless_success(answer: &RemotingCommand) -> Option<Self> {
        (answer.code() != SUCCESS).then(|| Self {
            code: answer.code(),
            remark: answer.remark().map(|remark| remark.to_string()).unwrap_or_default(),
        })
    }
}

/// There was no time left to make, or to finish, a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there was no time left for {0}")]
pub(crate) struct OutOfTime(pub(crate) &'static str);

/// Something that a call needs is not known, such as a broker's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Missing(pub(crate) String);

/// A failure from the client.
pub(crate) fn client_failure(error: ClientError) -> Failure {
    let class = match error.broker_response_code() {
        Some(code) => class_of(code),
        None => FailureClass::Unavailable,
    };
    Failure::new(class, ClientFault(error))
}

/// A failure from a broker's answer.
pub(crate) fn broker_failure(answer: BrokerAnswer) -> Failure {
    Failure::new(class_of(answer.code), answer)
}

pub(crate) fn unavailable(cause: impl Error + Send + Sync + 'static) -> Failure {
    Failure::new(FailureClass::Unavailable, cause)
}

/// The class of a failure, by the code of a broker's answer. A missing topic or group is a fault of
/// the deployment: trying again does not create it.
pub(crate) fn class_of(code: i32) -> FailureClass {
    const PERMANENT: [ResponseCode; 6] = [
        ResponseCode::RequestCodeNotSupported,
        ResponseCode::MessageIllegal,
        ResponseCode::TopicNotExist,
        ResponseCode::SubscriptionGroupNotExist,
        ResponseCode::InvalidParameter,
        ResponseCode::IllegalOperation,
    ];
    const THROTTLED: [ResponseCode; 2] = [ResponseCode::SystemBusy, ResponseCode::FlowControl];
    let is = |codes: &[ResponseCode]| codes.iter().any(|known| *known as i32 == code);
    if is(&THROTTLED) {
        FailureClass::Throttled
    } else if is(&PERMANENT) {
        FailureClass::Permanent
    } else {
        FailureClass::Unavailable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_is_busy_is_throttling_and_a_missing_topic_is_permanent() {
        assert_eq!(class_of(2), FailureClass::Throttled);
        assert_eq!(class_of(215), FailureClass::Throttled);
        assert_eq!(class_of(17), FailureClass::Permanent);
        assert_eq!(class_of(604), FailureClass::Permanent);
        assert_eq!(class_of(1), FailureClass::Unavailable);
    }

    #[test]
    fn an_answer_of_success_is_not_a_fault() {
        let ok = RemotingCommand::create_remoting_command(0);
        assert_eq!(BrokerAnswer::unless_success(&ok), None);
        let busy = RemotingCommand::create_remoting_command(2);
        assert_eq!(BrokerAnswer::unless_success(&busy).unwrap().code, 2);
    }
}
