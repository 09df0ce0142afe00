//! Chains of certificates: which end where, and every way of forging one.

extern crate std;

use std::string::String;
use std::vec;
use std::vec::Vec;

use crate::Fact;
use crate::Findings;
use crate::Hash;
use crate::Identity;
use crate::Options;
use crate::SignatureFault;
use crate::Text;
use crate::TrustClass;
use crate::Unreadable;
use crate::Workspace;
use crate::examine;
use crate::oid;
use crate::testing::Pe;
use crate::testing::certificates;
use crate::testing::certificates::ROOT;
use crate::testing::certificates::ROOT_KEY;
use crate::testing::certificates::Spec;
use crate::testing::messages::Message;
use crate::testing::signed::AUTHORITY;
use crate::testing::signed::AUTHORITY_KEY;
use crate::testing::signed::LEAF_KEY;
use crate::testing::signed::OTHER_KEY;
use crate::testing::signed::authority;
use crate::testing::signed::changed;
use crate::testing::signed::digest;
use crate::testing::signed::fault;
use crate::testing::signed::file_with;
use crate::testing::signed::leaf;
use crate::testing::signed::outcomes;
use crate::testing::signed::with_evidence;

#[test]
fn certificates_that_do_not_belong_are_refused() {
    let image = digest(&Pe::default());
    let with = |signer: &Spec, certificates: &[Vec<u8>]| {
        fault(Message::over(&image, signer, certificates).build(&[]))
    };
    let issued = authority().issue();

    assert_eq!(
        with(&leaf(), core::slice::from_ref(&issued)),
        Some(SignatureFault::NoSigner)
    );
    // Somebody else's certificate under the same issuer and serial number.
    let other = Spec::leaf("Contoso Ltd", OTHER_KEY, AUTHORITY, AUTHORITY_KEY);
    assert_eq!(
        with(&leaf(), &[issued.clone(), other.issue()]),
        Some(SignatureFault::SignerSignature)
    );
    // An issuer by name whose key made nothing.
    let impostor = Spec::authority(AUTHORITY, OTHER_KEY, ROOT, ROOT_KEY).issue();
    assert_eq!(
        with(&leaf(), &[impostor.clone(), leaf().issue()]),
        Some(SignatureFault::ChainSignature)
    );
    // With the right one beside it, the wrong one does not matter.
    assert_eq!(with(&leaf(), &[impostor, issued.clone(), leaf().issue()]), None);

    // An end entity that signs.
    let no_authority = Spec::leaf(AUTHORITY, AUTHORITY_KEY, ROOT, ROOT_KEY);
    assert_eq!(
        with(&leaf(), &[no_authority.issue(), leaf().issue()]),
        Some(SignatureFault::NotAuthority)
    );
    // One that does not say what it is.
    let silent = Spec::new(AUTHORITY, AUTHORITY_KEY, ROOT, ROOT_KEY);
    assert_eq!(
        with(&leaf(), &[silent.issue(), leaf().issue()]),
        Some(SignatureFault::NotAuthority)
    );
    // An authority that may have no authority below it, with one below it.
    let narrow = Spec {
        path_length: Some(0),
        ..Spec::authority("Narrow", OTHER_KEY, ROOT, ROOT_KEY)
    };
    let below = Spec::authority(AUTHORITY, AUTHORITY_KEY, "Narrow", OTHER_KEY);
    let chain = [narrow.issue(), below.issue(), leaf().issue()];
    assert_eq!(with(&leaf(), &chain), Some(SignatureFault::NotAuthority));

    // Certificates for something else.
    let server = Spec {
        ekus: vec![oid::EKU_TIME_STAMPING],
        ..leaf()
    };
    assert_eq!(
        with(&server, &[issued, server.issue()]),
        Some(SignatureFault::NotCodeSigning)
    );
    let limited = Spec {
        ekus: vec![oid::EKU_TIME_STAMPING],
        ..authority()
    };
    assert_eq!(
        with(&leaf(), &[limited.issue(), leaf().issue()]),
        Some(SignatureFault::NotCodeSigning)
    );
}

/// Whoever holds the file may put a certificate of his own beside the signer's, for the same key and with other names. What a denial
/// goes by must not depend on which of them comes first, or is named.
#[test]
fn a_second_certificate_for_the_signers_key_leaves_open_who_signed() {
    let image = digest(&Pe::default());
    let own_authority = Spec::authority(AUTHORITY, OTHER_KEY, AUTHORITY, OTHER_KEY);
    let other_name = Spec::leaf("Somebody Else", LEAF_KEY, AUTHORITY, OTHER_KEY);
    let other_serial = Spec {
        serial: 99,
        ..Spec::leaf("Somebody Else", LEAF_KEY, AUTHORITY, OTHER_KEY)
    };
    let identity = |signer: &Spec, certificates: &[&Spec]| {
        let certificates: Vec<Vec<u8>> = certificates.iter().map(|spec| spec.issue()).collect();
        let file = file_with(&[Message::over(&image, signer, &certificates).build(&[])]);
        with_evidence(&file, |evidence| {
            let signature = &evidence.signatures.present().unwrap()[0];
            (signature.fault, signature.identity)
        })
    };
    let real = [&leaf(), &authority()];
    assert_eq!(identity(&leaf(), &real), (None, Identity::Proven));
    for (signer, added) in [(leaf(), &other_name), (other_serial.clone(), &other_serial)] {
        for certificates in [
            [added, &own_authority, real[0], real[1]],
            [real[0], real[1], added, &own_authority],
        ] {
            let (fault, identity) = identity(&signer, &certificates);
            assert_eq!((fault, identity), (None, Identity::Unproven));
        }
    }
    // With keys and signatures of a kind that nobody knows no key can tell which certificate is meant.
    let unknown = |certificates: &[&Spec]| {
        let certificates: Vec<Vec<u8>> = certificates.iter().map(|spec| spec.issue()).collect();
        let message = Message::over(&image, &leaf(), &certificates).build(&[]);
        let pkcs1 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
        let nobodys = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x7f];
        let file = file_with(&[changed(&message, &pkcs1, &nobodys)]);
        with_evidence(&file, |evidence| {
            evidence.signatures.present().unwrap()[0].identity
        })
    };
    assert_eq!(unknown(&real), Identity::Claimed);
    let other_key = Spec::leaf("Somebody Else", OTHER_KEY, AUTHORITY, OTHER_KEY);
    assert_eq!(unknown(&[&other_key, real[0], real[1]]), Identity::Unproven);
}

/// MD2 is slow: what is hashed with it for one file is bounded, and the rest of what is claimed could be anything.
#[test]
fn md2_is_worked_out_for_a_few_certificates_alone() {
    let image = digest(&Pe::default());
    let claimed: Vec<Vec<u8>> = (10..20)
        .map(|serial| Spec {
            serial,
            extensions: certificates::critical_extension(&[0x2a, 3, 4], &[0; 3000]),
            ..authority()
        })
        .map(|spec| spec.issue())
        .collect();
    let message = Message::over(&image, &leaf(), &[vec![leaf().issue()], claimed].concat()).build(&[]);
    let sha256_with_rsa = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
    let md2_with_rsa = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x02];
    let message = changed(&message, &sha256_with_rsa, &md2_with_rsa);
    with_evidence(&file_with(&[message.clone(), message]), |evidence| {
        let hashes = evidence
            .signatures
            .present()
            .unwrap()
            .iter()
            .flat_map(|signature| {
                let claimed = signature.claimed.iter().chain(signature.chain);
                claimed.filter(|certificate| certificate.subject_cn == authority_name())
            });
        let (known, unknown): (Vec<_>, Vec<_>) = hashes
            .map(|certificate| certificate.tbs)
            .partition(|tbs| matches!(tbs, Fact::Present(Hash::Md(_))));
        assert_eq!((known.len(), unknown.len()), (2, 18));
        assert!(
            unknown
                .iter()
                .all(|tbs| *tbs == Fact::Unreadable(Unreadable::CapReached))
        );
    });
}

fn authority_name() -> Fact<Text<'static>> {
    Fact::Present(Text::Utf8(AUTHORITY))
}

#[test]
fn a_described_curve_is_never_used() {
    let image = digest(&Pe::default());
    let described = Some(certificates::explicit_curve_key());
    let forged_leaf = Spec {
        key_info: described.clone(),
        ..leaf()
    };
    let certificates = [authority().issue(), forged_leaf.issue()];
    let signature = Message::over(&image, &forged_leaf, &certificates).build(&[]);
    assert_eq!(fault(signature), Some(SignatureFault::UnsupportedKey));

    let forged_authority = Spec {
        key_info: described,
        ..authority()
    };
    let certificates = [forged_authority.issue(), leaf().issue()];
    let signature = Message::over(&image, &leaf(), &certificates).build(&[]);
    assert_eq!(fault(signature), Some(SignatureFault::UnsupportedKey));
}

/// Names prove nothing: the same names under another root give that root.
#[test]
fn names_under_another_root_do_not_reach_a_known_one() {
    let image = digest(&Pe::default());
    let microsoft = "Microsoft Root Certificate Authority 2010";
    for root in [ROOT, microsoft] {
        let own_root = Spec::authority(root, OTHER_KEY, root, OTHER_KEY);
        let own_authority = Spec::authority(AUTHORITY, AUTHORITY_KEY, root, OTHER_KEY);
        let forged = Spec::leaf("NVIDIA Corporation", LEAF_KEY, AUTHORITY, AUTHORITY_KEY);
        let certificates = [own_root.issue(), own_authority.issue(), forged.issue()];
        let file = file_with(&[Message::over(&image, &forged, &certificates).build(&[])]);
        with_evidence(&file, |evidence| {
            let signature = &evidence.signatures.present().unwrap()[0];
            assert_eq!(signature.fault, None);
            assert_eq!(signature.chain.len(), 3);
            assert_eq!(signature.root.wellknown, None, "{root}");
            assert!(!signature.root.known);
            assert_eq!(TrustClass::of(signature), TrustClass::OtherRoot);
        });
        // Without the forged root at hand the chain ends nowhere.
        let certificates = [own_authority.issue(), forged.issue()];
        let file = file_with(&[Message::over(&image, &forged, &certificates).build(&[])]);
        let outcome = outcomes(&file).remove(0);
        assert!(!outcome.root_verified);
        assert_eq!(outcome.chain, ["NVIDIA Corporation", AUTHORITY]);
    }
}

/// A public root is known, and Microsoft cross-signed it: whichever is found first, the chain to Microsoft's root is the one that
/// counts, because the driver policy asks for it.
#[test]
fn a_cross_certificate_counts_although_a_known_root_is_reached_before_it() {
    let image = digest(&Pe::default());
    let cross = Spec {
        serial: 7,
        ..Spec::authority(
            ROOT,
            ROOT_KEY,
            certificates::CROSS_ROOT,
            certificates::CROSS_ROOT_KEY,
        )
    };
    let own = Spec::authority(ROOT, ROOT_KEY, ROOT, ROOT_KEY);
    let [cross, own, authority, leaf_itself] = [cross, own, authority(), leaf()].map(|spec| spec.issue());
    let orders = [
        vec![leaf_itself.clone(), authority.clone(), cross.clone()],
        vec![own.clone(), authority.clone(), leaf_itself.clone(), cross.clone()],
        vec![cross, leaf_itself.clone(), own.clone(), authority.clone()],
    ];
    for certificates in orders {
        let file = file_with(&[Message::over(&image, &leaf(), &certificates).build(&[])]);
        with_evidence(&file, |evidence| {
            let signature = &evidence.signatures.present().unwrap()[0];
            assert_eq!((signature.fault, signature.root.wellknown), (None, Some(8)));
            assert_eq!(signature.chain.len(), 3);
            assert_eq!(TrustClass::of(signature), TrustClass::CrossSigned);
        });
    }
    // Without it the known root is the end.
    let file = file_with(&[Message::over(&image, &leaf(), &[own, authority, leaf_itself]).build(&[])]);
    with_evidence(&file, |evidence| {
        let signature = &evidence.signatures.present().unwrap()[0];
        assert_eq!((signature.root.wellknown, signature.root.known), (None, true));
    });
}

#[test]
fn long_chains_and_many_certificates_stop_at_their_caps() {
    let image = digest(&Pe::default());
    let key = AUTHORITY_KEY;
    for (steps, expected) in [(8, None), (9, None), (12, Some(SignatureFault::CapReached))] {
        let signer = Spec::leaf("Contoso Ltd", LEAF_KEY, &std::format!("Step {}", steps - 1), key);
        let certificates = [certificates::ladder(steps, key), vec![signer.issue()]].concat();
        assert_eq!(
            fault(Message::over(&image, &signer, &certificates).build(&[])),
            expected,
            "{steps} steps"
        );
    }
    // A crowd of the issuer's name: the signer's certificate, at its end, is never reached.
    let impostor = |serial: usize| {
        let spec = Spec::authority(AUTHORITY, OTHER_KEY, ROOT, ROOT_KEY);
        let serial = u8::try_from(serial % 100).unwrap();
        Spec { serial, ..spec }.issue()
    };
    let impostors: Vec<Vec<u8>> = (0..100).map(impostor).collect();
    let signature = |count| {
        let crowd = impostors.iter().cycle().take(count).cloned();
        let certificates: Vec<Vec<u8>> = crowd.chain([leaf().issue()]).collect();
        Message::over(&image, &leaf(), &certificates).build(&[])
    };
    assert_eq!(fault(signature(100)), Some(SignatureFault::CapReached));
    assert_eq!(fault(signature(5_000)), Some(SignatureFault::CapReached));
    // The same one over and over takes no room.
    let same = [vec![impostor(0); 100], vec![authority().issue(), leaf().issue()]].concat();
    assert_eq!(fault(Message::over(&image, &leaf(), &same).build(&[])), None);
    // Ten thousand are more than the cap on the table itself: what lies under it is read, and proves nothing.
    with_evidence(&file_with(&[signature(10_000)]), |evidence| {
        let [signature] = evidence.signatures.present().unwrap() else {
            panic!("one signature");
        };
        assert!(signature.fault.is_some() && !signature.digest_valid);
        assert_eq!(signature.identity, Identity::Unproven);
        assert_eq!(evidence.more_signatures, Some(Unreadable::CapReached));
    });
}

/// Authorities that signed each other in every direction would make a search explode. The budget ends it; and where every link
/// was proven before, with another file in the same workspace, the count of steps does.
#[test]
fn a_maze_of_cross_certificates_ends_with_the_budget() {
    let image = digest(&Pe::default());
    let names: Vec<String> = (0..8).map(|at| std::format!("Maze {at}")).collect();
    let signer = Spec::leaf("Contoso Ltd", LEAF_KEY, "Maze 0", AUTHORITY_KEY);
    let mut certificates = vec![];
    for (serial, subject) in (1..).zip(&names) {
        for issuer in names.iter().filter(|issuer| *issuer != subject) {
            let spec = Spec::authority(subject, AUTHORITY_KEY, issuer, AUTHORITY_KEY);
            certificates.push(Spec { serial, ..spec }.issue());
        }
    }
    certificates.push(signer.issue());
    let file = file_with(&[Message::over(&image, &signer, &certificates).build(&[])]);
    let mut workspace = Workspace::try_new(4096).unwrap();
    for _ in 0..8 {
        let mut findings = Findings::new();
        let evidence = examine(&mut &file[..], &Options::default(), &mut workspace, &mut findings).unwrap();
        let [signature] = evidence.signatures.present().unwrap() else {
            panic!("one signature");
        };
        assert_eq!(signature.fault, Some(SignatureFault::CapReached));
    }
}

/// MD5 lets a forger make the certificate he wants; only what is known by its key anyway may carry it.
#[test]
fn md5_proves_no_link() {
    let image = digest(&Pe::default());
    let root_of = |weak, authority: &Spec| {
        let root = Spec {
            weak,
            ..Spec::authority(ROOT, ROOT_KEY, ROOT, ROOT_KEY)
        };
        let certificates = [root.issue(), authority.issue(), leaf().issue()];
        let message = Message::over(&image, &leaf(), &certificates).build(&[]);
        with_evidence(&file_with(&[message]), |evidence| {
            let signature = &evidence.signatures.present().unwrap()[0];
            (signature.chain.len(), signature.root.known)
        })
    };
    assert_eq!(root_of(true, &authority()), (3, true));
    let weak = Spec {
        weak: true,
        ..authority()
    };
    assert_eq!(root_of(false, &weak), (2, false));
}

#[test]
fn authorities_that_microsoft_withdrew_prove_nothing() {
    let image = digest(&Pe::default());
    for name in [
        "Microsoft Enforced Licensing Intermediate PCA",
        "Microsoft Enforced Licensing Registration Authority CA (SHA1)",
    ] {
        let withdrawn = Spec::authority(name, AUTHORITY_KEY, ROOT, ROOT_KEY);
        let signer = Spec::leaf("MS", LEAF_KEY, name, AUTHORITY_KEY);
        let certificates = [withdrawn.issue(), signer.issue()];
        let message = Message::over(&image, &signer, &certificates).build(&[]);
        with_evidence(&file_with(&[message]), |evidence| {
            let signature = &evidence.signatures.present().unwrap()[0];
            assert_eq!(signature.chain.len(), 2, "a deny finds it by its certificates");
            assert!(!signature.root.verified && !signature.root.known);
        });
    }
}

#[test]
fn what_an_authority_may_not_is_understood_or_it_is_none() {
    let image = digest(&Pe::default());
    let fault_of = |above: &[Spec]| {
        let mut certificates: Vec<_> = above.iter().map(Spec::issue).collect();
        certificates.push(leaf().issue());
        fault(Message::over(&image, &leaf(), &certificates).build(&[]))
    };
    let saying = |extension| Spec {
        extensions: extension,
        ..authority()
    };
    let critical = |oid: &[u8]| saying(certificates::critical_extension(oid, &[0x30, 0x00]));
    // Policies are not ours to judge; name constraints and a private extension are.
    assert_eq!(fault_of(&[critical(&[0x55, 0x1d, 0x20])]), None);
    assert_eq!(
        fault_of(&[critical(&[0x55, 0x1d, 0x1e])]),
        Some(SignatureFault::NotAuthority)
    );
    assert_eq!(
        fault_of(&[critical(&[0x2a, 0x03, 0x04])]),
        Some(SignatureFault::NotAuthority)
    );

    // Version 1 cannot say that it is an authority.
    let old = Spec {
        first_version: true,
        ..authority()
    };
    assert_eq!(fault_of(&[old]), Some(SignatureFault::NotAuthority));

    // However zero is written, no authority may stand below.
    for zero in [
        &[0x02, 0x01, 0x00][..],
        &[0x02, 0x02, 0x00, 0x00],
        &[0x02, 0x01, 0xff],
    ] {
        let constraints = [
            &[0x30, 3 + u8::try_from(zero.len()).unwrap(), 0x01, 0x01, 0xff],
            zero,
        ]
        .concat();
        let narrow = Spec {
            authority: false,
            extensions: certificates::critical_extension(oid::BASIC_CONSTRAINTS, &constraints),
            ..Spec::authority("Narrow", OTHER_KEY, ROOT, ROOT_KEY)
        };
        let below = Spec::authority(AUTHORITY, AUTHORITY_KEY, "Narrow", OTHER_KEY);
        assert_eq!(
            fault_of(&[narrow, below]),
            Some(SignatureFault::NotAuthority),
            "{zero:x?}"
        );
    }
}

#[test]
fn a_root_that_vouches_for_no_code_is_not_known_for_it() {
    let image = digest(&Pe::default());
    let is_known = |name: &str, with_root: bool| {
        let authority = Spec {
            issuer: name.into(),
            ..authority()
        };
        let mut certificates = vec![authority.issue(), leaf().issue()];
        if with_root {
            certificates.push(Spec::authority(name, ROOT_KEY, name, ROOT_KEY).issue());
        }
        let message = Message::over(&image, &leaf(), &certificates).build(&[]);
        with_evidence(&file_with(&[message]), |evidence| {
            evidence.signatures.present().unwrap()[0].root.known
        })
    };
    for with_root in [false, true] {
        assert!(is_known(certificates::CODE_ROOT, with_root));
        assert!(!is_known(certificates::CLOCK_ROOT, with_root));
    }
}

/// A chain may end in an authority that nobody knows; one whose root stands by itself beside it was cut.
#[test]
fn a_root_that_stands_by_itself_leaves_open_who_signed() {
    let image = digest(&Pe::default());
    let private = || Spec::authority("Private Root", OTHER_KEY, "Private Root", OTHER_KEY).issue();
    let policy = || Spec::authority("Private Policy CA", ROOT_KEY, "Private Root", OTHER_KEY).issue();
    let issuing = || Spec::authority(AUTHORITY, AUTHORITY_KEY, "Private Policy CA", ROOT_KEY).issue();
    let identity = |certificates: &[Vec<u8>]| {
        let file = file_with(&[Message::over(&image, &leaf(), certificates).build(&[])]);
        with_evidence(&file, |evidence| {
            evidence.signatures.present().unwrap()[0].identity
        })
    };
    let leaf = leaf().issue();
    assert_eq!(
        identity(&[leaf.clone(), issuing(), policy(), private()]),
        Identity::Proven
    );
    assert_eq!(identity(&[leaf.clone(), issuing(), policy()]), Identity::Claimed);
    assert_eq!(identity(&[leaf.clone(), issuing()]), Identity::Claimed);
    assert_eq!(
        identity(&[leaf.clone(), issuing(), private()]),
        Identity::Unproven
    );
    assert_eq!(identity(&[leaf]), Identity::Unproven);
}
