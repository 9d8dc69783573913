# LinkedIn's rows on one broker behind a link of 1 Gb/s
# Draws 07-linkedin-link.svg, 07-linkedin-link-narrow.svg and 07-linkedin-link.png from 07-linkedin-link.csv in this directory:
#   gnuplot 07-linkedin-link.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "07-linkedin-link.csv"
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
  dotting = narrow && 35 > 16 ? 1000000 : 1
  crowded = narrow && 0
  if (output eq "svg") {
    set terminal svg size 960,510 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "07-linkedin-link.svg"
  }
  if (narrow) {
    set terminal svg size 400,470 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "07-linkedin-link-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,510 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "07-linkedin-link.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "LinkedIn's rows on one broker behind a link of 1 Gb/s" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; whiskers: bootstrap 95 %; dots: runs · standard profile · 20261125T235629Z-64a9023" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "LinkedIn's rows on one broker behind a\nlink of 1 Gb/s" font ",14"
    set label 2 "median of n = 7, bootstrap 95 % · standard profile ·\n20261125T235629Z-64a9023" font ",10" offset 0,-3.3000000000000003
  }
  set multiplot
  unset key
  set border 3 lc rgb "#444444"
  set tics out scale 0.6 textcolor rgb "#222222"
  set xtics nomirror; set ytics nomirror
  set grid ytics lc rgb "#dddddd" lt 1 lw 1
  set style fill transparent solid 0.18 noborder
  set boxwidth 0.688 absolute
  set xrange [-0.6:4.6]
  set xtics ("1 producer, 1\nGb/s" 0, "3 producers, 1\nGb/s" 1, "1 consumer, 1\nGb/s" 2, "3 consumers, 1\nGb/s" 3, "1 producer and 1\nconsumer, 1 Gb/s" 4) font ",12"
  if (narrow) { set xtics ("1\nproducer,\n1 Gb/s" 0, "3\nproducers,\n1 Gb/s" 1, "1\nconsumer,\n1 Gb/s" 2, "3\nconsumers,\n1 Gb/s" 3, "1\nproducer\nand 1\nconsumer,\n1 Gb/s" 4) font ",10" }
  unset logscale y
  set ytics ("0" 0, "500k" 500000, "1M" 1000000, "1.5M" 1500000, "2M" 2000000, "2.5M" 2500000, "3M" 3000000)
  if (narrow) { set ytics ("0" 0, "1M" 1000000, "2M" 2000000, "3M" 3000000) }
  set yrange [0:3379369.427205]
  if (narrow) { set lmargin at screen 0.221; set rmargin at screen 0.955; set bmargin at screen 0.321277; set tmargin at screen 0.778723 } else { set lmargin at screen 0.092083; set rmargin at screen 0.98125; set bmargin at screen 0.223529; set tmargin at screen 0.870588 }
  unset arrow
  unset title
  set xlabel "who sends and receives" offset 0,screen (narrow ? -0.12766 : -0.035294)
  set ylabel "records/s" offset 0,0
  plot data skip 1 using (pick("", "producer-link", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "three-producers-link", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "consumer-link", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#009E73" notitle, \
    data skip 1 using (pick("", "three-consumers-link", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#CC79A7" notitle, \
    data skip 1 using (pick("", "producer-and-consumer-link", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#E69F00" notitle, \
    data skip 1 using (pick("", "producer-link", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "three-producers-link", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "consumer-link", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "three-consumers-link", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "producer-and-consumer-link", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "producer-link", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "three-producers-link", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "consumer-link", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "three-consumers-link", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "producer-and-consumer-link", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "producer-link", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "three-producers-link", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "consumer-link", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "three-consumers-link", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "producer-and-consumer-link", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "three-producers-link", "claim", 4) - 0.344):6:(2 * 0.344):(0) with vectors nohead lw 2.4 lc rgb "#000000" notitle, \
    data skip 1 using (pick("", "three-consumers-link", "claim", 4) - 0.344):6:(2 * 0.344):(0) with vectors nohead lw 2.4 lc rgb "#000000" notitle, \
    data skip 1 using (pick("", "producer-and-consumer-link", "claim", 4) - 0.344):6:(2 * 0.344):(0) with vectors nohead lw 2.4 lc rgb "#000000" notitle, \
    data skip 1 using (pick("", "producer-link", "median", 4)):6:(hover("1 producer, 1 Gb/s")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("", "three-producers-link", "median", 4)):6:(hover("3 producers, 1 Gb/s")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("", "consumer-link", "median", 4)):6:(hover("1 consumer, 1 Gb/s")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle, \
    data skip 1 using (pick("", "three-consumers-link", "median", 4)):6:(hover("3 consumers, 1 Gb/s")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feCC79A7" notitle, \
    data skip 1 using (pick("", "producer-and-consumer-link", "median", 4)):6:(hover("1 producer and 1 consumer, 1 Gb/s")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feE69F00" notitle
  unset label; unset arrow; unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid
  unset logscale
  set lmargin at screen 0.02; set rmargin at screen 0.98; set bmargin at screen 0.005
  set tmargin at screen (narrow ? 0.070213 : 0.07451)
  set key at screen 0.5, screen 0.012 center bottom Left reverse horizontal maxcols 2 samplen 2.4 spacing 1.1 font ",12"
  if (narrow) { set key at screen 0.02, screen 0.012 left bottom Left reverse vertical maxcols 1 maxrows 1 spacing 1 }
  plot [0:1] [0:1] -1 notitle, \
    keyentry with lines lw 2.4 lc rgb "#000000" title "the original's ratio, from our baseline"
  unset multiplot
  unset output
}
