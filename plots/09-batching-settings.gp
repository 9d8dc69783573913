# Messages produced a second by the producer's settings
# Draws 09-batching-settings.svg, 09-batching-settings-narrow.svg and 09-batching-settings.png from 09-batching-settings.csv in this directory:
#   gnuplot 09-batching-settings.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "09-batching-settings.csv"
# Three digits and never an exponent: 12.3k, 425M, 3.59G.
told(value, unit) = sprintf(value >= 99.95 ? "%.0f%s" : "%.3g%s", value, unit)
shown(value) = value >= 999.5e6 ? told(value / 1e9, "G") : value >= 999.5e3 ? told(value / 1e6, "M") : \
  value >= 9999.5 ? told(value / 1e3, "k") : told(value, "")
# The value of a column where panel, series and kind fit, else nothing.
pick(panel, series, kind, place) = \
  (strcol(1) eq panel && strcol(2) eq series && strcol(3) eq kind) ? column(place) : NaN
# Over a bar, in two digits where bars are many.
over(value) = 0 && value < 9999.5 ? sprintf(value >= 9.95 ? "%.0f" : "%.2g", value) : shown(value)
hover(label) = sprintf("%s, %s: %s [%s, %s], n = %d", \
  label, strcol(5), shown(column(6)), shown(column(7)), shown(column(8)), column(9))
do for [output in "svg narrow png"] {
  narrow = output eq "narrow"
  # A narrow page has no room for the runs of many places, or the values of many bars.
  dotting = narrow && 70 > 16 ? 1000000 : 1
  crowded = narrow && 1
  if (output eq "svg") {
    set terminal svg size 960,510 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "09-batching-settings.svg"
  }
  if (narrow) {
    set terminal svg size 400,461 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "09-batching-settings-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,510 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "09-batching-settings.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "Messages produced a second by the producer's settings" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; whiskers: bootstrap 95 %; dots: runs · standard profile · 20261126T000139Z-64a9023" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "Messages produced a second by the\nproducer's settings" font ",14"
    set label 2 "median of n = 7, bootstrap 95 % · standard profile ·\n20261126T000139Z-64a9023" font ",10" offset 0,-3.3000000000000003
  }
  set multiplot
  unset key
  set border 3 lc rgb "#444444"
  set tics out scale 0.6 textcolor rgb "#222222"
  set xtics nomirror; set ytics nomirror
  set grid ytics lc rgb "#dddddd" lt 1 lw 1
  set style fill transparent solid 0.18 noborder
  set boxwidth 0.344 absolute
  set xrange [-0.6:4.6]
  set xtics ("broker, loopback" 0, "acks=0" 1, "acks=all" 2, "one request in\nflight" 3, "with keys" 4) font ",12"
  if (narrow) { set xtics ("broker,\nloopback" 0, "acks=0" 1, "acks=all" 2, "one\nrequest\nin flight" 3, "with keys" 4) font ",10" }
  unset logscale y
  set ytics ("0" 0, "1M" 1000000, "2M" 2000000, "3M" 3000000, "4M" 4000000, "5M" 5000000)
  if (narrow) { set ytics ("0" 0, "1M" 1000000, "2M" 2000000, "3M" 3000000, "4M" 4000000, "5M" 5000000) }
  set yrange [0:5454149.591763]
  if (narrow) { set lmargin at screen 0.178; set rmargin at screen 0.955; set bmargin at screen 0.308026; set tmargin at screen 0.774403 } else { set lmargin at screen 0.074167; set rmargin at screen 0.98125; set bmargin at screen 0.223529; set tmargin at screen 0.870588 }
  unset arrow
  unset title
  set xlabel "what differs from acks=1, 5 requests in flight, no keys" offset 0,screen (narrow ? -0.065076 : -0.035294)
  set ylabel "messages/s" offset 0,0
  plot data skip 1 using (pick("", "1", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "50", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "1", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "50", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "1", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "50", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "1", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "50", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "1", "median", 4)):6:(hover("batch records 1")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("", "50", "median", 4)):6:(hover("batch records 50")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle
  unset label; unset arrow; unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid
  unset logscale
  set lmargin at screen 0.02; set rmargin at screen 0.98; set bmargin at screen 0.005
  set tmargin at screen (narrow ? 0.117137 : 0.07451)
  set key at screen 0.5, screen 0.012 center bottom Left reverse horizontal maxcols 3 samplen 2.4 spacing 1.1 font ",12"
  if (narrow) { set key at screen 0.02, screen 0.012 left bottom Left reverse vertical maxcols 1 maxrows 2 spacing 1 }
  plot [0:1] [0:1] -1 notitle, \
    keyentry with boxes fs solid 0.75 noborder lc rgb "#0072B2" title "batch records 1", \
    keyentry with boxes fs solid 0.75 noborder lc rgb "#D55E00" title "batch records 50"
  unset multiplot
  unset output
}
