//! The faults that are looked for.

/// How bad a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look.
    Warning,
    /// The policy does not do what it says.
    Error,
}

impl Severity {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! codes {
    ($($variant:ident $number:literal $name:literal $severity:ident $why:literal $instead:literal;)+) => {
        /// A fault, known by its stable number and name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $why] $variant,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable number, such as `GH101`.
            pub const fn number(self) -> &'static str {
                match self { $(Self::$variant => $number),+ }
            }

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// How bad it is.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),+ }
            }

            /// Why it matters.
            pub const fn why(self) -> &'static str {
                match self { $(Self::$variant => $why),+ }
            }

            /// What to write instead.
            pub const fn instead(self) -> &'static str {
                match self { $(Self::$variant => $instead),+ }
            }
        }
    };
}

codes! {
    Dangling "GH001" "dangling-reference" Error
        "A reference to nothing grants or denies nothing: what was meant is not in force."
        "Correct the id, or add what it names.";
    EkuEncoding "GH002" "eku-encoding" Error
        "A key usage that is not encoded as policies do never matches, silently."
        "Write 01, the length and the content of the object identifier: WHQL is 010A2B0601040182370A0305.";
    WhqlWithoutRule "GH003" "required-whql-without-rule" Error
        "Required:WHQL is a mandate, not a grant: WHQL drivers still need a rule that allows them."
        "Add a signer with the WHQL EKU to the allowed signers of scenario 131, or remove the option.";
    NoUpdateSigner "GH004" "no-update-signer" Error
        "Without Enabled:Unsigned System Integrity Policy the policy must be signed, and nobody is named who may update it."
        "Add UpdatePolicySigners, or set Enabled:Unsigned System Integrity Policy.";
    SupplementalOption "GH005" "supplemental-option" Error
        "Only a base policy can have this; Microsoft's compiler refuses it in a supplemental policy."
        "Move it to the base policy.";
    NoSupplementalSigner "GH008" "no-supplemental-signer" Error
        "A signed base policy takes only supplementals that someone named by it has signed, and it names nobody."
        "Add SupplementalPolicySigners, or remove Enabled:Allow Supplemental Policies.";
    NameForm "GH009" "file-name-form" Error
        "Names are compared whole with the version resource's, such as OriginalFilename: no folder, no pattern but \
         \"*\" alone."
        "Write the name that `gatehouse explain` shows as original name.";
    Forbidden "GH010" "schema" Error
        "Microsoft's schema forbids it: its compiler refuses the document. It is read here as the message says."
        "Write what the message says.";
    EkuTwice "GH011" "eku-value-and-oid" Error
        "The key usage's Value and OID differ, or the OID is none: the Value counts here, another reader may take the OID."
        "Write the Value, or the OID, alone.";
    SingleFormBase "GH012" "single-form-base" Error
        "The base policy named has the id of the single-policy form, which takes no supplementals: this one never has an effect."
        "Give the base policy a PolicyID of its own, and write it as BasePolicyID here.";
    BrokenSignature "GH013" "broken-signature" Error
        "The policy is not the one that was signed: it was changed afterwards, and Windows will not take it."
        "Get the policy again from who signed it, or sign it anew.";
    BadTbs "GH006" "tbs-length" Warning
        "No hash algorithm makes a TBS hash of this length, so that no certificate matches."
        "Write the TBS hash of the certificate: 32, 40, 64, 96 or 128 hexadecimal digits.";
    NoKernelScenario "GH007" "no-kernel-scenario" Warning
        "A base policy without scenario 131 allows no driver."
        "Add a SigningScenario of value 131, if the policy is about drivers.";
    DuplicateReference "GH101" "duplicate-reference" Warning
        "The same thing is referred to twice in one list."
        "Remove one of the two.";
    DuplicateRule "GH102" "duplicate-rule" Warning
        "Two rules say the same; only the first is ever reported."
        "Remove one of the two and its references.";
    Unreferenced "GH103" "unreferenced" Warning
        "A rule, signer or EKU that nothing refers to has no effect."
        "Refer to it in a scenario, or remove it.";
    DenyMinimum "GH104" "deny-minimum-alone" Warning
        "A deny rule with a minimum version alone denies that version and OLDER ones; newer ones load."
        "To deny everything up to a version write MaximumFileVersion with MinimumFileVersion=\"0.0.0.0\"; to deny from a \
         version on give both ends.";
    DenyMaximum "GH105" "deny-maximum-alone" Warning
        "Documentation and compiled form disagree about a deny rule with a maximum version alone; it is read as \
         \"up to\" here."
        "Add MinimumFileVersion=\"0.0.0.0\".";
    DeniedMinimum "GH106" "denied-signer-minimum" Warning
        "What a file attribute with a minimum version alone means under a denied signer is not documented; it is read as \
         \"from this version on\" here."
        "Give both versions.";
    BareWhql "GH107" "bare-whql" Warning
        "A WHQL signer without vendor allows every vendor's WHQL drivers, which makes the WHQLPublisher rules beside \
         it moot."
        "Remove the signer that names no vendor, or the ones that do.";
    WhqlInUserMode "GH108" "whql-in-user-mode" Warning
        "User-mode files are hardly ever WHQL-signed: the signer has no effect in scenario 12."
        "Remove it from scenario 12; refer to it in scenario 131.";
    WhqlByCommonName "GH109" "whql-publisher-by-cn" Warning
        "Drivers signed by Microsoft's WHQL service have the leaf \"Microsoft Windows Hardware Compatibility Publisher\"; the \
         vendor stands in the OEM id, so that a CertPublisher rule does not match them."
        "Write CertOemID instead of CertPublisher.";
    PublisherPrefix "GH110" "publisher-prefix" Warning
        "Publisher names are compared whole; this one is only the beginning of a vendor's name."
        "Write the whole common name of the vendor's certificate.";
    UserModeRule "GH111" "user-mode-rule" Warning
        "File path, package and application rules are ignored for drivers."
        "Use a hash, name or signer, or remove the reference from scenario 131.";
    SupplementalDeny "GH112" "supplemental-deny" Warning
        "Deny rules of a supplemental policy are ignored."
        "Move the rule to a base policy.";
    AllowsAll "GH113" "allows-all" Warning
        "An allow rule for any file makes the allow rules beside it moot; only deny rules still count."
        "Keep it in a blocklist policy of its own.";
    EvSigners "GH114" "required-ev-signers" Warning
        "Required:EV Signers is not supported; it has been seen to block even in audit mode."
        "Remove the option.";
    TestSigners "GH115" "test-signers" Warning
        "Test signers count only where test signing is on; they are left out of the compiled set."
        "Move them to ProductSigners if they are meant to count.";
    UnknownRoot "GH116" "undecidable-root" Warning
        "No key of this well-known root is known here, so that no signature is found to end in it: the signer neither allows \
         nor denies anything."
        "Go by the TBS hash of a certificate in the chain.";
    NoEventName "GH117" "no-policy-info" Warning
        "Without a PolicyInfo/Information/Id setting, events name no policy."
        "Add the Settings PolicyInfo/Information/Name and Id.";
    Assumed "GH118" "assumed" Warning
        "What the document leaves to be assumed, another reader may take otherwise."
        "Write what the message says.";
    NoBlocklist "GH119" "no-blocklist" Warning
        "WHQL says that a driver is compatible, not that it is secure: vulnerable drivers are WHQL-signed too."
        "Merge Microsoft's blocklist, put it in force beside the policy, or name the vendors.";
    NoFallback "GH120" "no-fallback" Warning
        "Drivers that are not WHQL-signed, old or made in-house, are all refused."
        "Scan the machines and make the policy with --fallback Publisher,Hash; or set Required:WHQL if this is meant.";
    ManyVendors "GH121" "many-vendors" Warning
        "A rule for each vendor is meant for a few; with this many, one is soon missing or out of date."
        "Allow WHQL at large and deny by a blocklist, or keep the rules by scanning anew.";
    Shadowed "GH122" "shadowed" Warning
        "Another rule of the same kind covers all that this one does; it decides nothing."
        "Remove it, or the one that covers it if that is too broad.";
    CrossSigned "GH123" "cross-signed-beside-whql" Warning
        "Required:WHQL refuses cross-signed drivers whatever allows them."
        "Remove the signer, or the option.";
    BlocklistAge "GH124" "old-blocklist" Warning
        "Drivers found vulnerable since then are not on the list; a policy does not update itself."
        "Get Microsoft's current list and compile anew.";
    ManyDeniedSigners "GH125" "many-denied-signers" Warning
        "Microsoft's policy compiler takes 255 denied signers at most; the driver of Gatehouse takes more."
        "Merge signers that differ by their file attributes alone, or deny by file rules.";
    HashLabel "GH126" "hash-label" Warning
        "The name says another algorithm than the length of the hash: it was labelled wrongly, or cut."
        "Compare with the file: `gatehouse scan` shows its hashes.";
    FlightRoot "GH127" "flight-root" Warning
        "No key of the root of flight signing (0E) is known here: Disabled:Flight Signing refuses nothing."
        "Go by the TBS hash of a certificate in the chains that are to be refused.";
    UnprovenSignature "GH130" "unproven-signature" Warning
        "What cannot be verified proves nothing about who made the policy."
        "Sign with a code-signing certificate of RSA 2048 to 4096 bits and SHA-256, and put its chain into the envelope.";
    Conflict "GH201" "conflict" Warning
        "One policy allows what another denies; it will not load."
        "Remove the allow rule, or the file.";
    DeniedBeside "GH202" "denied-beside" Warning
        "The same policy allows and denies this; deny wins, and the allow rule has no effect."
        "Remove one of the two.";
    NoBase "GH203" "no-base" Warning
        "A supplemental policy has effect only with a base policy that allows supplementals."
        "Add its base policy, and set Enabled:Allow Supplemental Policies in it.";
}
