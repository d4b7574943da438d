# Asks Perl's Mail::DKIM about messages. Arguments: a file of DNS records (name, tab, content),
# then one file per message. Prints a line per signature: number of the message, algorithm,
# result; before these, whether this version knows ed25519.
use strict;
use warnings;
use Mail::DKIM::DNS;
use Mail::DKIM::Signature;
use Mail::DKIM::Verifier;
use Net::DNS::RR;

my ( $records, @messages ) = @ARGV;
my %dns;
open my $list, '<', $records or die "$records: $!";
while (<$list>) {
    chomp;
    my ( $name, $content ) = split /\t/, $_, 2;
    # As the DNS has it: strings of at most 255 characters.
    $dns{$name} = [ $content =~ /(.{1,255})/g ];
}
{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = sub {
        my ($name) = @_;
        return unless $dns{$name};
        return Net::DNS::RR->new( owner => $name, type => 'TXT', txtdata => $dns{$name} );
    };
}

my $new = eval { Mail::DKIM::Signature->new->get_algorithm_class('ed25519-sha256') };
print 'ed25519 ', ( $new ? 'known' : 'unknown' ), "\n";
for my $number ( 0 .. $#messages ) {
    open my $file, '<:raw', $messages[$number] or die "$messages[$number]: $!";
    my $raw      = do { local $/; <$file> };
    my $verifier = Mail::DKIM::Verifier->new;
    $verifier->PRINT($raw);
    $verifier->CLOSE;
    for my $signature ( $verifier->signatures ) {
        print join( ' ', $number, $signature->algorithm, $signature->result ), "\n";
    }
}
