//! Times of the schema (`xs:dateTime`) and of the binary form (100 ns since 1601-01-01).

const TICKS: i64 = 10_000_000;
const DAY: i64 = 86_400;

/// Days from 1601-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years are counted from March, so that the leap day is the last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let total =
        365 * shifted + shifted.div_euclid(4) - shifted.div_euclid(100) + shifted.div_euclid(400) + of_year;
    total - 584_694
}

/// Numbers of two digits, but for the first of so many, with this sign between them.
fn numbers<const N: usize>(text: &str, sign: char, first: usize) -> Option<[i64; N]> {
    let mut found = [0; N];
    let mut parts = text.split(sign);
    for (at, number) in found.iter_mut().enumerate() {
        let part = parts.next()?;
        let digits = if at == 0 { first } else { 2 };
        if part.len() != digits || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Reads an `xs:dateTime` of the years 1601 to 9999; without a zone it is taken as UTC.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let [year, month, day] = numbers(date, '-', 4)?;
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone_at);
    let (clock, fraction) = match clock.split_once('.') {
        Some((_, "")) => return None,
        Some((clock, fraction)) => (clock, fraction),
        None => (clock, ""),
    };
    let [hour, minute, second] = numbers(clock, ':', 2)?;
    let in_range = (1601..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && (0..=59).contains(&minute)
        && (0..=59).contains(&second)
        && fraction.bytes().all(|byte| byte.is_ascii_digit());
    // 24:00:00 is the end of the day.
    let end_of_day = hour == 24 && minute == 0 && second == 0 && fraction.bytes().all(|digit| digit == b'0');
    if !in_range || !(hour < 24 || end_of_day) {
        return None;
    }
    let mut ticks = 0;
    for at in 0..7 {
        ticks = ticks * 10 + i64::from(fraction.as_bytes().get(at).map_or(0, |digit| digit - b'0'));
    }
    let offset = match zone {
        "" | "Z" => 0,
        _ => {
            let [hours, minutes] = zone.get(1..).and_then(|zone| numbers(zone, ':', 2))?;
            let offset = hours * 60 + minutes;
            if minutes > 59 || offset > 14 * 60 || zone.starts_with('Z') {
                return None;
            }
            if zone.starts_with('-') { -offset } else { offset }
        }
    };
    let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset * 60;
    seconds.checked_mul(TICKS)?.checked_add(ticks)
}

/// Writes an `xs:dateTime` in UTC.
pub(crate) fn print(filetime: i64) -> String {
    let (seconds, ticks) = (filetime.div_euclid(TICKS), filetime.rem_euclid(TICKS));
    let (day, clock) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // Days since 0000-03-01, in eras of 400 years.
    let since = day + 584_694;
    let (era, of_era) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    let whole = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if ticks == 0 {
        whole + "Z"
    } else {
        format!("{whole}.{ticks:07}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use super::print;

    #[test]
    fn times_are_counted_from_1601() {
        assert_eq!(parse("1601-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(116_444_736_000_000_000));
        assert_eq!(
            parse("2024-01-02T03:04:05.0000000Z"),
            Some(133_486_382_450_000_000)
        );
        assert_eq!(parse("2024-01-02T04:04:05+01:00"), parse("2024-01-02T03:04:05Z"));
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        assert_eq!(parse("2024-01-31T24:00:00Z"), parse("2024-02-01T00:00:00Z"));
        for right in [
            "2024-02-29T00:00:00",
            "2000-02-29T00:00:00Z",
            "2024-01-02T03:04:05.5-14:00",
        ] {
            assert!(parse(right).is_some(), "{right}");
        }
        for wrong in [
            "yesterday",
            "2024-01-31",
            "2024-13-02T03:04:05Z",
            "2024-00-02T03:04:05Z",
            "2024-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2024-04-31T00:00:00Z",
            "2024-01-00T00:00:00Z",
            "2024-01-02T24:00:01Z",
            "2024-01-02T25:00:00Z",
            "2024-01-02T03:04:60Z",
            "2024-01-02T03:04:05.Z",
            "2024-01-02T03:04:05.5x",
            "2024-01-02T03:04:05+14:01",
            "2024-01-02T03:04:05+13:60",
            "2024-01-02T03:04:05Z01:00",
            "2024-01-02T03:04:05+1:00",
            "2024-01-02T03:04:05z",
            "2024-1-02T03:04:05Z",
            "+024-01-02T03:04:05Z",
            "2024-+1-02T03:04:05Z",
            "2024-01-02T03:04:+5Z",
            "2024-01-02T03:04:05:06Z",
            "02024-01-02T03:04:05Z",
            "1600-12-31T00:00:00Z",
            " 2024-01-02T03:04:05Z",
            "2024-01-02T03:04:05Z ",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        for day in 0..4000 {
            let time = day * 86_400 * 10_000_000 * 37 + day * 12_345_678;
            assert_eq!(parse(&print(time)), Some(time), "{}", print(time));
        }
    }
}
