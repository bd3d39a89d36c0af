//! Amounts of money.

/// The currency in which the shop sells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Currency {
    /// The euro, whose minor unit is the cent.
    Eur,
}

impl Currency {
    /// The ISO 4217 code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Eur => "EUR",
        }
    }

    /// The currency of an ISO 4217 code, if the shop sells in it.
    pub fn from_code(code: &str) -> Option<Self> {
        (code == "EUR").then_some(Self::Eur)
    }
}

/// An amount in minor units of the shop's currency: 1250 is 12.50 EUR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(u64);

impl Money {
    /// The largest amount, 2^53 - 1 minor units: the largest integer that every JSON reader holds
    /// exactly (RFC 8259, section 6).
    pub const MAX: Self = Self((1 << 53) - 1);

    pub const ZERO: Self = Self(0);

    /// An amount of `minor` minor units, or `None` if it is more than [`Money::MAX`].
    pub const fn from_minor(minor: u64) -> Option<Self> {
        if minor > Self::MAX.0 { None } else { Some(Self(minor)) }
    }

    pub const fn minor(self) -> u64 {
        self.0
    }

    /// The sum, or `None` if it is more than [`Money::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::from_minor)
    }

    /// The amount times `count`, or `None` if it is more than [`Money::MAX`].
    pub fn checked_times(self, count: u32) -> Option<Self> {
        self.0.checked_mul(u64::from(count)).and_then(Self::from_minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_euro_is_known_by_its_iso_code() {
        assert_eq!(Currency::Eur.code(), "EUR");
        assert_eq!(Currency::from_code("EUR"), Some(Currency::Eur));
        assert_eq!(Currency::from_code("USD"), None);
    }

    #[test]
    fn the_largest_amount_is_2_to_the_53_minus_1() {
        let largest = Money::from_minor(9_007_199_254_740_991);
        assert_eq!(largest, Some(Money::MAX));
        assert_eq!(largest.map(Money::minor), Some(9_007_199_254_740_991));
        assert_eq!(Money::from_minor(9_007_199_254_740_992), None);
    }

    #[test]
    fn an_amount_that_json_could_not_carry_is_refused() {
        assert_eq!(Money::MAX.checked_add(Money::from_minor(1).unwrap()), None);
        assert_eq!(Money::MAX.checked_times(2), None);
        assert_eq!(Money::from_minor(u64::MAX), None);
    }
}
