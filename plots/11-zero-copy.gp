# Zero copy: bytes a second from the page cache to a loopback socket
# Draws 11-zero-copy.svg, 11-zero-copy-narrow.svg and 11-zero-copy.png from 11-zero-copy.csv in this directory:
#   gnuplot 11-zero-copy.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "11-zero-copy.csv"
# Three digits and never an exponent: 12.3k, 425M, 3.59G.
told(value, unit) = sprintf(value >= 99.95 ? "%.0f%s" : "%.3g%s", value, unit)
shown(value) = value >= 999.5e6 ? told(value / 1e9, "G") : value >= 999.5e3 ? told(value / 1e6, "M") : \
  value >= 9999.5 ? told(value / 1e3, "k") : told(value, "")
# The value of a column where panel, series and kind fit, else nothing.
pick(panel, series, kind, place) = \
  (strcol(1) eq panel && strcol(2) eq series && strcol(3) eq kind) ? column(place) : NaN
# Over a bar, in two digits where bars are many.
over(value) = 1 && value < 9999.5 ? sprintf(value >= 9.95 ? "%.0f" : "%.2g", value) : shown(value)
hover(label) = sprintf("%s, %s: %s [%s, %s], n = %d", \
  label, strcol(5), shown(column(6)), shown(column(7)), shown(column(8)), column(9))
do for [output in "svg narrow png"] {
  narrow = output eq "narrow"
  # A narrow page has no room for the runs of many places, or the values of many bars.
  dotting = narrow && 126 > 16 ? 1000000 : 1
  crowded = narrow && 1
  if (output eq "svg") {
    set terminal svg size 960,564 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "11-zero-copy.svg"
  }
  if (narrow) {
    set terminal svg size 400,536 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "11-zero-copy-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,564 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "11-zero-copy.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "Zero copy: bytes a second from the page cache to a loopback socket" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; whiskers: bootstrap 95 %; dots: runs · standard profile · 20261126T001017Z-64a9023" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "Zero copy: bytes a second from the\npage cache to a loopback socket" font ",14"
    set label 2 "median of n = 7, bootstrap 95 % · standard profile ·\n20261126T001017Z-64a9023" font ",10" offset 0,-3.3000000000000003
  }
  set multiplot
  unset key
  set border 3 lc rgb "#444444"
  set tics out scale 0.6 textcolor rgb "#222222"
  set xtics nomirror; set ytics nomirror
  set grid ytics lc rgb "#dddddd" lt 1 lw 1
  set style fill transparent solid 0.18 noborder
  set boxwidth 0.114667 absolute
  set xrange [-0.6:2.6]
  set xtics ("7" 0, "98" 1, "700" 2) font ",12"
  if (narrow) { set xtics ("7" 0, "98" 1, "700" 2) font ",10" }
  unset logscale y
  set ytics ("0" 0, "2000" 2000, "4000" 4000, "6000" 6000, "8000" 8000, "10k" 10000, "12k" 12000)
  if (narrow) { set ytics ("0" 0, "5000" 5000, "10k" 10000) }
  set yrange [0:13569.965861]
  if (narrow) { set lmargin at screen 0.221; set rmargin at screen 0.955; set bmargin at screen 0.404851; set tmargin at screen 0.80597 } else { set lmargin at screen 0.092083; set rmargin at screen 0.98125; set bmargin at screen 0.297872; set tmargin at screen 0.882979 }
  unset arrow
  unset title
  set xlabel "file size, MB" offset 0,screen (narrow ? 0 : 0)
  set ylabel "MB/s" offset 0,0
  plot data skip 1 using (pick("", "sendfile", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "read-write-4k", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "read-write-64k", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#009E73" notitle, \
    data skip 1 using (pick("", "read-write-1m", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#CC79A7" notitle, \
    data skip 1 using (pick("", "mmap-write", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#E69F00" notitle, \
    data skip 1 using (pick("", "splice", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#56B4E9" notitle, \
    data skip 1 using (pick("", "sendfile", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "read-write-4k", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "read-write-64k", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "read-write-1m", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "mmap-write", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "splice", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "sendfile", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "read-write-4k", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "read-write-64k", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "read-write-1m", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "mmap-write", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "splice", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "sendfile", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "read-write-4k", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "read-write-64k", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "read-write-1m", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "mmap-write", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "splice", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "sendfile", "claim", 4) - 0.057333):6:(2 * 0.057333):(0) with vectors nohead lw 2.4 lc rgb "#000000" notitle, \
    data skip 1 using (pick("", "sendfile", "median", 4)):6:(hover("sendfile")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("", "read-write-4k", "median", 4)):6:(hover("read + write, 4 KiB")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("", "read-write-64k", "median", 4)):6:(hover("read + write, 64 KiB")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle, \
    data skip 1 using (pick("", "read-write-1m", "median", 4)):6:(hover("read + write, 1 MiB")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feCC79A7" notitle, \
    data skip 1 using (pick("", "mmap-write", "median", 4)):6:(hover("mmap + write")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feE69F00" notitle, \
    data skip 1 using (pick("", "splice", "median", 4)):6:(hover("splice through a pipe")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe56B4E9" notitle
  unset label; unset arrow; unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid
  unset logscale
  set lmargin at screen 0.02; set rmargin at screen 0.98; set bmargin at screen 0.005
  set tmargin at screen (narrow ? 0.296642 : 0.195035)
  set key at screen 0.5, screen 0.012 center bottom Left reverse horizontal maxcols 2 samplen 2.4 spacing 1.1 font ",12"
  if (narrow) { set key at screen 0.02, screen 0.012 left bottom Left reverse vertical maxcols 1 maxrows 7 spacing 1 }
  plot [0:1] [0:1] -1 notitle, \
    keyentry with boxes fs solid 0.75 noborder lc rgb "#0072B2" title "sendfile", \
    keyentry with boxes fs solid 0.75 noborder lc rgb "#D55E00" title "read + write, 4 KiB", \
    keyentry with boxes fs solid 0.75 noborder lc rgb "#009E73" title "read + write, 64 KiB", \
    keyentry with boxes fs solid 0.75 noborder lc rgb "#CC79A7" title "read + write, 1 MiB", \
    keyentry with boxes fs solid 0.75 noborder lc rgb "#E69F00" title "mmap + write", \
    keyentry with boxes fs solid 0.75 noborder lc rgb "#56B4E9" title "splice through a pipe", \
    keyentry with lines lw 2.4 lc rgb "#000000" title "the original's ratio, from our baseline"
  unset multiplot
  unset output
}
