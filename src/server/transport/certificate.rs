//! End of a certificate's validity (X.509, RFC 5280). rustls validates certificates.

use x509_cert::Certificate;
use x509_cert::der::Decode;

/// Returns the end of a certificate's validity (`notAfter`), in seconds since 1970; none if the certificate is
/// malformed.
pub(crate) fn end(certificate: &[u8]) -> Option<i64> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let end = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    i64::try_from(end.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(year: i32) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 3, 4);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_ways_that_it_is_written() {
        assert_eq!(end(&certificate(2031)), Some(1_930_348_800));
        assert_eq!(end(&certificate(1999)), Some(920_505_600));
        // Years after 2049 have four digits.
        assert_eq!(end(&certificate(2061)), Some(2_877_120_000));
    }

    #[test]
    fn what_is_cut_short_has_no_end() {
        let whole = certificate(2031);
        for length in 0..whole.len() {
            assert_eq!(end(&whole[..length]), None, "{length}");
        }
    }
}
