/// What happened to an account, as its owner can look it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActivityKind {
    Registered,
    /// Someone logged in with the password.
    LoggedIn,
    /// Someone tried a wrong password.
    LoginFailed,
    /// After too many wrong passwords, further guesses have to wait.
    Locked,
    /// Someone tried the right password after too many logins.
    LoginLimited,
    /// A refresh token was exchanged.
    Refreshed,
    /// A refresh token was used twice, which ended its session.
    RefreshReused,
    /// A session was ended by its owner.
    LoggedOut,
    /// All sessions were ended by the owner.
    LoggedOutEverywhere,
    /// The password was changed, which ended all other sessions.
    PasswordChanged,
    /// Someone who had a session tried to change the password with a wrong one.
    PasswordChangeFailed,
    /// Someone who had a session tried to delete the account with a wrong password.
    AccountDeletionFailed,
    /// A mail to confirm the address was requested.
    EmailConfirmationRequested,
    /// The address was confirmed with a mailed token.
    EmailConfirmed,
    /// Someone who had a session and the password requested another address.
    EmailChangeRequested,
    /// Someone who had a session tried to change the address with a wrong password.
    EmailChangeFailed,
    /// The address was changed with a mailed token.
    EmailChanged,
    /// Someone requested a mail to reset the password.
    PasswordResetRequested,
    /// The password was reset with a mailed token, which ended all sessions.
    PasswordReset,
}

impl ActivityKind {
    pub const ALL: [Self; 19] = [
        Self::Registered,
        Self::LoggedIn,
        Self::LoginFailed,
        Self::Locked,
        Self::LoginLimited,
        Self::Refreshed,
        Self::RefreshReused,
        Self::LoggedOut,
        Self::LoggedOutEverywhere,
        Self::PasswordChanged,
        Self::PasswordChangeFailed,
        Self::AccountDeletionFailed,
        Self::EmailConfirmationRequested,
        Self::EmailConfirmed,
        Self::EmailChangeRequested,
        Self::EmailChangeFailed,
        Self::EmailChanged,
        Self::PasswordResetRequested,
        Self::PasswordReset,
    ];

    /// The name under which the kind is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "REGISTERED",
            Self::LoggedIn => "LOGGED_IN",
            Self::LoginFailed => "LOGIN_FAILED",
            Self::Locked => "LOCKED",
            Self::LoginLimited => "LOGIN_LIMITED",
            Self::Refreshed => "REFRESHED",
            Self::RefreshReused => "REFRESH_REUSED",
            Self::LoggedOut => "LOGGED_OUT",
            Self::LoggedOutEverywhere => "LOGGED_OUT_EVERYWHERE",
            Self::PasswordChanged => "PASSWORD_CHANGED",
            Self::PasswordChangeFailed => "PASSWORD_CHANGE_FAILED",
            Self::AccountDeletionFailed => "ACCOUNT_DELETION_FAILED",
            Self::EmailConfirmationRequested => "EMAIL_CONFIRMATION_REQUESTED",
            Self::EmailConfirmed => "EMAIL_CONFIRMED",
            Self::EmailChangeRequested => "EMAIL_CHANGE_REQUESTED",
            Self::EmailChangeFailed => "EMAIL_CHANGE_FAILED",
            Self::EmailChanged => "EMAIL_CHANGED",
            Self::PasswordResetRequested => "PASSWORD_RESET_REQUESTED",
            Self::PasswordReset => "PASSWORD_RESET",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in ActivityKind::ALL {
            assert_eq!(ActivityKind::from_name(kind.as_str()), Some(kind));
        }
        assert_eq!(ActivityKind::from_name("logged_in"), None);
    }
}
