// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dates as HTTP and people write them.

use core::fmt;
use hadris_fs::DateTime;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// As in `Last-Modified`: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) struct Http(pub(crate) DateTime);

impl fmt::Display for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = self.0.to_civil_utc();
        // The first of January 1970 was a Thursday.
        let day = self.0.unix_seconds().div_euclid(86_400).rem_euclid(7) as usize;
        let name = DAYS.get(day).unwrap_or(&"Thu");
        let month = MONTHS.get(usize::from(date.month()).wrapping_sub(1)).unwrap_or(&"Jan");
        let (hour, minute, second) = (time.hour(), time.minute(), time.second());
        write!(
            f,
            "{name}, {:02} {month} {:04} {hour:02}:{minute:02}:{second:02} GMT",
            date.day(),
            date.year()
        )
    }
}

/// As in a listing: `1994-11-06 08:49`.
pub(crate) struct Short(pub(crate) DateTime);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = self.0.to_civil_utc();
        write!(f, "{:04}-{:02}-{:02} ", date.year(), date.month(), date.day())?;
        write!(f, "{:02}:{:02}", time.hour(), time.minute())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_the_norm() {
        // RFC 9110, 5.6.7.
        let date = DateTime::from_unix_seconds(784_111_777).unwrap();
        assert_eq!(Http(date).to_string(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(Short(date).to_string(), "1994-11-06 08:49");
    }
}
