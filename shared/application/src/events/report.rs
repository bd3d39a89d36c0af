//! The reports of windows.

/// Declares a report. A number of it is named here, and then only read: adding up, the answer of a
/// function and its log use this name.
///
/// `+=` adds what another part of the window counted. Of numbers with `=> max`, which are no
/// counts, the greater one stays.
macro_rules! report {
    (@added $number:expr, $other:expr) => { $number + $other };
    (@added $number:expr, $other:expr, max) => { $number.max($other) };
    (
        $(#[$about:meta])*
        pub struct $report:ident {
            $($(#[$meaning:meta])* pub $number:ident: u64 $(=> $added:ident)?,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $report {
            $($(#[$meaning])* pub $number: u64,)+
        }

        impl $report {
            /// Each number with its name.
            pub fn numbers(self) -> impl ExactSizeIterator<Item = (&'static str, u64)> {
                [$((stringify!($number), self.$number)),+].into_iter()
            }
        }

        impl ::std::ops::AddAssign for $report {
            fn add_assign(&mut self, other: Self) {
                $(self.$number = report!(@added self.$number, other.$number $(, $added)?);)+
            }
        }
    };
}

pub(super) use report;
