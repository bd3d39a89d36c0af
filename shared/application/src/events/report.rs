//! The reports of windows.

/// Declares a report. A number is named here, and nowhere else: the sum of reports, a function's
/// answer, its log and its metrics are made from this list.
///
/// A number with `= "…"` is counted as the metric of that name. `+=` adds what another part of the
/// window counted. Of numbers with `=> max`, which are no counts, the greater one stays.
macro_rules! report {
    (@added $number:expr, $other:expr) => { $number + $other };
    (@added $number:expr, $other:expr, max) => { $number.max($other) };
    (
        $(#[$about:meta])*
        pub struct $report:ident {
            $(
                $(#[$meaning:meta])*
                pub $number:ident: u64 $(= $metric:literal)? $(=> $added:ident)?,
            )+
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

            /// Each number that is counted as a metric, with the metric's name.
            pub fn metrics(self) -> impl ExactSizeIterator<Item = (&'static str, u64)> {
                [$($(($metric, self.$number),)?)+].into_iter()
            }

            /// A span that adds each number, under its name, to the log lines within. It has the
            /// level of errors, so that no filter by level takes the numbers from a line that it
            /// lets through.
            pub fn span(self) -> ::tracing::Span {
                ::tracing::error_span!("report", $($number = self.$number),+)
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
