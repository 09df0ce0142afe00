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

/// Reads an `xs:dateTime`; without a zone it is taken as UTC.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (date, time) = text.trim().split_once('T')?;
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone_at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let in_range = (1601..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..=24).contains(&hour)
        && (0..=59).contains(&minute)
        && (0..=59).contains(&second);
    if !in_range || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut ticks = 0;
    for at in 0..7 {
        ticks = ticks * 10 + i64::from(fraction.as_bytes().get(at).map_or(0, |digit| digit - b'0'));
    }
    let offset = match zone {
        "" | "Z" => 0,
        _ => {
            let (hours, minutes) = zone[1..].split_once(':')?;
            let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            if zone.starts_with('-') { -minutes } else { minutes }
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
        assert_eq!(parse("2024-13-02T03:04:05Z"), None);
        assert_eq!(parse("yesterday"), None);
    }

    #[test]
    fn what_is_printed_reads_back() {
        for day in 0..4000 {
            let time = day * 86_400 * 10_000_000 * 37 + day * 12_345_678;
            assert_eq!(parse(&print(time)), Some(time), "{}", print(time));
        }
    }
}
